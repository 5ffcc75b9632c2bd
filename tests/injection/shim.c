/* Counts what a process asks the system to change below a folder, and lets one request fail.
 *
 * Preloaded (LD_PRELOAD) into a run of Snakemake, it wakes in processes whose command line has a
 * word of the plan. FAULTS_PLAN is a file of lines "word TAB key TAB number TAB what": in a process
 * of `word`, the request of that number (from 1) among those on paths that hold `key` is met with
 * `what`: an error number, "before" (SIGKILL instead of it) or "after" (SIGKILL once it is done).
 * Number 0 lets all pass. After ENOSPC all later requests fail too, but those that make room: a
 * full disk stays full. FAULTS_ROOT is what all paths must hold, such as results/study/.
 * FAULTS_LOG gets a line "word TAB key TAB number TAB request TAB path" for each request.
 * A process may also be told by itself (faults_arm), whatever its command line: see forked.py.
 *
 *     cc -shared -fPIC -O1 -o shim.so shim.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define ENTRIES 64

struct entry {
    char word[64], key[192], what[16];
    int number, seen;
};

static struct entry entries[ENTRIES];
static int count, full;
static const char *root;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

/* The system's own calls, so that nothing here is counted. */
static ssize_t read_whole(const char *path, char *into, size_t size) {
    int opened = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
    size_t got = 0;
    if (opened < 0)
        return -1;
    for (;;) {
        ssize_t part = syscall(SYS_read, opened, into + got, size - 1 - got);
        if (part <= 0)
            break;
        got += part;
    }
    syscall(SYS_close, opened);
    into[got] = 0;
    return got;
}

__attribute__((constructor)) static void begin(void) {
    static char command[65536], plan[65536];
    const char *path = getenv("FAULTS_PLAN");
    root = getenv("FAULTS_ROOT");
    if (!path || !root || !*root)
        return;
    ssize_t size = read_whole("/proc/self/cmdline", command, sizeof command);
    for (ssize_t place = 0; place < size; place++)
        if (!command[place])
            command[place] = ' ';
    if (size <= 0 || read_whole(path, plan, sizeof plan) <= 0)
        return;
    char *rest = NULL;
    for (char *line = strtok_r(plan, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        struct entry *one = &entries[count];
        one->key[0] = 0;
        if (count < ENTRIES &&
            sscanf(line, "%63[^\t]\t%191[^\t]\t%d\t%15s", one->word, one->key, &one->number,
                   one->what) == 4 &&
            strstr(command, one->word))
            count++;
    }
}

/* Have this process's request of a number met with `what`; number 0 lets all pass. */
void faults_arm(int number, const char *what) {
    memset(&entries[0], 0, sizeof entries[0]);
    snprintf(entries[0].what, sizeof entries[0].what, "%s", what);
    entries[0].number = number;
    count = 1;
    full = 0;
}

/* What to do before a request: 0 nothing, > 0 the error to fail with, -1 die when it is done. */
static int meet(const char *request, const char *path) {
    int answer = 0, saved = errno;
    const char *inside = count && path ? strstr(path, root) : NULL;
    if (!inside)
        return 0;
    pthread_mutex_lock(&turn);
    int makes_room = !strcmp(request, "unlink") || !strcmp(request, "rmdir");
    if (full && !makes_room)
        answer = ENOSPC;
    for (int place = 0; place < count; place++) {
        struct entry *one = &entries[place];
        if (!strstr(inside, one->key))
            continue;
        one->seen++;
        const char *log = getenv("FAULTS_LOG");
        if (log) {
            static char line[PATH_MAX + 512];
            int length = snprintf(line, sizeof line, "%s\t%s\t%d\t%s\t%s%s\n", one->word, one->key,
                                  one->seen, request, inside,
                                  one->seen == one->number ? "\there" : "");
            int opened = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0644);
            syscall(SYS_write, opened, line, (size_t)length);
            syscall(SYS_close, opened);
        }
        if (one->seen != one->number)
            continue;
        if (!strcmp(one->what, "before"))
            syscall(SYS_kill, getpid(), SIGKILL);
        else if (!strcmp(one->what, "after"))
            answer = -1;
        else {
            answer = atoi(one->what);
            full = answer == ENOSPC;
        }
    }
    pthread_mutex_unlock(&turn);
    errno = saved;
    return answer;
}

static const char *of(int opened, char *into) {
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", opened);
    ssize_t size = count ? readlink(name, into, PATH_MAX - 1) : -1;
    if (size < 0)
        return NULL;
    into[size] = 0;
    return into;
}

/* The path of a name in an opened folder. */
static const char *at(int folder, const char *name, char *into) {
    static __thread char place[PATH_MAX];
    if (!count || !name || *name == '/' || folder == AT_FDCWD || !of(folder, place))
        return name;
    snprintf(into, PATH_MAX, "%.2000s/%.2000s", place, name);
    return into;
}

/* A request is met, made by the next function of its name, and maybe died after. */
#define MEET(type, name, request, path, types, ...)                                                \
    static type(*real) types;                                                                      \
    if (!real)                                                                                     \
        real = (type(*) types)dlsym(RTLD_NEXT, #name);                                             \
    char space[PATH_MAX];                                                                          \
    (void)space;                                                                                   \
    int answer = meet(request, path);                                                              \
    if (answer > 0) {                                                                              \
        errno = answer;                                                                            \
        return (type)-1;                                                                           \
    }                                                                                              \
    type result = real(__VA_ARGS__);                                                               \
    if (answer < 0)                                                                                \
        syscall(SYS_kill, getpid(), SIGKILL);                                                      \
    return result;

#define CALL(type, name, request, path, types, parameters, ...)                                    \
    type name parameters { MEET(type, name, request, path, types, __VA_ARGS__) }

CALL(ssize_t, write, "write", of(f, space), (int, const void *, size_t),
     (int f, const void *b, size_t n), f, b, n)
CALL(ssize_t, pwrite, "write", of(f, space), (int, const void *, size_t, off_t),
     (int f, const void *b, size_t n, off_t o), f, b, n, o)
CALL(ssize_t, pwrite64, "write", of(f, space), (int, const void *, size_t, off64_t),
     (int f, const void *b, size_t n, off64_t o), f, b, n, o)
CALL(ssize_t, writev, "write", of(f, space), (int, const struct iovec *, int),
     (int f, const struct iovec *v, int n), f, v, n)
CALL(ssize_t, pwritev, "write", of(f, space), (int, const struct iovec *, int, off_t),
     (int f, const struct iovec *v, int n, off_t o), f, v, n, o)
CALL(ssize_t, sendfile, "write", of(f, space), (int, int, off_t *, size_t),
     (int f, int s, off_t *o, size_t n), f, s, o, n)
CALL(ssize_t, sendfile64, "write", of(f, space), (int, int, off64_t *, size_t),
     (int f, int s, off64_t *o, size_t n), f, s, o, n)
CALL(ssize_t, copy_file_range, "write", of(t, space),
     (int, off64_t *, int, off64_t *, size_t, unsigned),
     (int s, off64_t *o, int t, off64_t *p, size_t n, unsigned g), s, o, t, p, n, g)
CALL(int, ftruncate, "truncate", of(f, space), (int, off_t), (int f, off_t n), f, n)
CALL(int, ftruncate64, "truncate", of(f, space), (int, off64_t), (int f, off64_t n), f, n)
CALL(int, fsync, "fsync", of(f, space), (int), (int f), f)
CALL(int, fdatasync, "fsync", of(f, space), (int), (int f), f)
CALL(int, rename, "rename", t, (const char *, const char *), (const char *s, const char *t), s, t)
CALL(int, renameat, "rename", at(e, t, space), (int, const char *, int, const char *),
     (int d, const char *s, int e, const char *t), d, s, e, t)
CALL(int, renameat2, "rename", at(e, t, space), (int, const char *, int, const char *, unsigned),
     (int d, const char *s, int e, const char *t, unsigned g), d, s, e, t, g)
CALL(int, link, "link", t, (const char *, const char *), (const char *s, const char *t), s, t)
CALL(int, linkat, "link", at(e, t, space), (int, const char *, int, const char *, int),
     (int d, const char *s, int e, const char *t, int g), d, s, e, t, g)
CALL(int, symlink, "link", t, (const char *, const char *), (const char *s, const char *t), s, t)
CALL(int, symlinkat, "link", at(e, t, space), (const char *, int, const char *),
     (const char *s, int e, const char *t), s, e, t)
CALL(int, unlink, "unlink", p, (const char *), (const char *p), p)
CALL(int, unlinkat, g & AT_REMOVEDIR ? "rmdir" : "unlink", at(d, p, space),
     (int, const char *, int), (int d, const char *p, int g), d, p, g)
CALL(int, rmdir, "rmdir", p, (const char *), (const char *p), p)
CALL(int, mkdir, "mkdir", p, (const char *, mode_t), (const char *p, mode_t m), p, m)
CALL(int, mkdirat, "mkdir", at(d, p, space), (int, const char *, mode_t),
     (int d, const char *p, mode_t m), d, p, m)

#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))
#define MODE(flags)                                                                                \
    mode_t mode = 0;                                                                               \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                       \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        mode = va_arg(more, mode_t);                                                               \
        va_end(more);                                                                              \
    }

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...) {                                                   \
        MODE(flags)                                                                                \
        MEET(int, name, "open", WRITES(flags) ? path : NULL, (const char *, int, ...), path,       \
             flags, mode)                                                                          \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                               \
    int name(int folder, const char *path, int flags, ...) {                                       \
        MODE(flags)                                                                                \
        MEET(int, name, "open", WRITES(flags) ? at(folder, path, space) : NULL,                    \
             (int, const char *, int, ...), folder, path, flags, mode)                             \
    }
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name)                                                                                \
    FILE *name(const char *path, const char *mode) {                                               \
        static FILE *(*real)(const char *, const char *);                                          \
        if (!real)                                                                                 \
            real = (FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, #name);               \
        int answer = meet("open", strpbrk(mode, "wa+") ? path : NULL);                             \
        if (answer > 0) {                                                                          \
            errno = answer;                                                                        \
            return NULL;                                                                           \
        }                                                                                          \
        FILE *result = real(path, mode);                                                           \
        if (answer < 0)                                                                            \
            syscall(SYS_kill, getpid(), SIGKILL);                                                  \
        return result;                                                                             \
    }
FOPEN(fopen)
FOPEN(fopen64)
