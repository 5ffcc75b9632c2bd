"""Ways of training that must agree, bit for bit unless something is summed in another order."""

import copy
import os
import signal
from pathlib import Path

import pytest
import torch
from tiny import ARCHITECTURES, WINDOWED, tiny_model
from torch.nn.utils.rnn import pad_sequence
from training import STEPS, examples, settings
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.engine.loop import (
    Batch,
    Interrupted,
    Schedule,
    Scratch,
    Settings,
    Training,
    resume,
    save,
)
from tuning_dynamics.engine.padding_free import IGNORED, packed, summed_loss
from tuning_dynamics.recipes.trainable.lora import Lora
from tuning_dynamics.recipes.trainable.lora import begin as with_adapter
from tuning_dynamics.tune.sampler import EpochBatches, mix, steps_in


def trained(model: torch.nn.Module, how: Settings, seed: int = 0, stop: int = STEPS) -> Training:
    training = Training(model, how, torch.device("cpu"), what="test", file="x")
    training.run(EpochBatches(examples(), 8, seed).batch, stop, None)
    return training


@pytest.fixture
def model() -> torch.nn.Module:
    torch.set_num_threads(1)
    return tiny_model("olmo", 0)


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_one_seed_gives_equal_bits_and_two_seeds_differ(model: torch.nn.Module) -> None:
    runs = [trained(copy.deepcopy(model), settings(), seed) for seed in (0, 0, 1)]
    assert torch.equal(weights(runs[0].model), weights(runs[1].model))
    assert not torch.equal(weights(runs[0].model), weights(runs[2].model))


def plainly_trained(model: torch.nn.Module, how: Settings, l2: float) -> list[float]:
    """The textbook loop: padded batches under transformers' own mask, whole logits, one pass a
    step, AdamW as torch's documentation writes it; returns the losses."""
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    start = [p.detach().clone() for p in trained]
    matrices, vectors = ([p for p in trained if (p.ndim >= 2) is wide] for wide in (True, False))
    optimiser = torch.optim.AdamW(
        [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}],
        betas=how.betas,
        weight_decay=how.weight_decay,
        foreach=False,
    )
    batches, losses = EpochBatches(examples(), 8, 0), []
    for step in range(STEPS):
        rows = batches.batch(step)
        ids, mask, wanted = (
            pad_sequence([torch.tensor(row) for row in column], True, filler)
            for column, filler in (
                (rows.ids, 0),
                ([[1] * len(row) for row in rows.ids], 0),
                (rows.targets, IGNORED),
            )
        )
        for group in optimiser.param_groups:
            group["lr"] = how.schedule.rate(step)
        logits = model(input_ids=ids, attention_mask=mask).logits.float()
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())
        pulls = [(p - q).square().sum() for p, q in zip(trained, start, strict=True)]
        loss = loss + l2 * torch.stack(pulls).sum()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, how.clip_norm)
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


def effective(model: torch.nn.Module) -> torch.Tensor:
    """The weights without those whose gradient is only rounding error, which AdamW makes as large
    as a step: a key's bias shifts all of a query's scores equally, so nothing depends on it."""
    kept = [p for name, p in model.named_parameters() if not name.endswith("query_key_value.bias")]
    return torch.cat([p.detach().flatten() for p in kept])


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize(("micro_batch", "l2"), [(8, 0.0), (3, 0.1), (1, 0.0)])
@pytest.mark.parametrize("adapter", [False, True])
@pytest.mark.parametrize("architecture", [*ARCHITECTURES, WINDOWED])
def test_the_run_is_that_of_a_plain_padded_loop(
    architecture: str, adapter: bool, micro_batch: int, l2: float
) -> None:
    torch.set_num_threads(1)
    model = tiny_model(architecture, 0)
    if adapter:
        model = with_adapter(model, Lora(r=2, alpha=4), 0)
    reference, how = copy.deepcopy(model), settings(micro_batch, l2=l2)
    losses = plainly_trained(reference, how, l2)
    training = trained(model, how)
    assert training.progress.losses == pytest.approx(losses, rel=1e-5)
    assert relative(effective(model), effective(reference)) < 1e-5


def test_bf16_products_keep_the_run_within_a_thousandth(model: torch.nn.Module) -> None:
    exact = trained(copy.deepcopy(model), settings(rate=1e-3))
    # On a GPU each pass has a context of its own; one around the run must not keep old weights.
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        rounded = trained(copy.deepcopy(model), settings(rate=1e-3))
    assert rounded.progress.losses != exact.progress.losses
    assert rounded.progress.losses == pytest.approx(exact.progress.losses, rel=1e-3)
    assert relative(weights(rounded.model), weights(exact.model)) < 1e-3


def test_a_text_sees_no_other_text(model: torch.nn.Module) -> None:
    one, other = examples()[:2]
    cpu = torch.device("cpu")
    with packed(model) as flat:
        alone = summed_loss(model, [one.ids], [one.targets], cpu, flat=flat)
        unseen = [[IGNORED] * len(other.ids)]
        packed_loss = summed_loss(
            model, [other.ids, one.ids], [*unseen, one.targets], cpu, flat=flat
        )
    assert float(packed_loss.detach()) == pytest.approx(float(alone.detach()), rel=1e-6)


@pytest.mark.parametrize("error", [TypeError, None])
def test_a_model_that_mixes_texts_reads_them_one_at_a_time(
    model: torch.nn.Module, monkeypatch: pytest.MonkeyPatch, error: type[Exception] | None
) -> None:
    """One whose layers take no further arguments, or whose attention is not the one it is given."""

    def mixing(*states: torch.Tensor, text_lengths: list[int], **rest: object) -> object:
        del text_lengths
        if error is not None:
            raise error("unexpected argument")
        return sdpa_attention_forward(*states, **rest)

    expected = copy.deepcopy(model)
    losses = trained(expected, settings()).progress.losses
    name = "tuning_dynamics_text_by_text"
    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, name, mixing)
    with packed(model) as flat:
        assert not flat
    assert trained(model, settings()).progress.losses == pytest.approx(losses, rel=1e-5)


def test_a_trial_without_memory_is_an_error_and_not_slow_reading(
    model: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> object:
        raise torch.OutOfMemoryError("no memory is left")

    name = "tuning_dynamics_text_by_text"
    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, name, full)
    model.train()
    with pytest.raises(torch.OutOfMemoryError), packed(model):
        pass
    assert model.training


def test_attention_is_the_models_own_again_after_a_run(model: torch.nn.Module) -> None:
    before = model.config._attn_implementation
    trained(model, settings(), stop=1)
    assert model.config._attn_implementation == before


@pytest.mark.parametrize("adapter", [False, True])
def test_resumed_equals_uninterrupted_bit_for_bit(
    model: torch.nn.Module, adapter: bool, tmp_path: Path
) -> None:
    def prepared() -> torch.nn.Module:
        fresh = copy.deepcopy(model)
        return with_adapter(fresh, Lora(r=2, alpha=4, dropout=0.2), 0) if adapter else fresh

    whole = trained(prepared(), settings())
    half = trained(prepared(), settings(), stop=5)
    scratch = Scratch(tmp_path, "identity")
    scratch.save(half.state())
    rest = Training(prepared(), settings(), torch.device("cpu"), what="test", file="x")
    resume(rest, scratch)
    assert rest.progress.step == 5
    rest.run(EpochBatches(examples(), 8, 0).batch, STEPS, scratch)
    assert torch.equal(weights(whole.model), weights(rest.model))
    assert rest.progress.losses == whole.progress.losses
    assert rest.progress.resumed_from == [5]


def test_a_state_of_another_identity_is_not_resumed(model: torch.nn.Module, tmp_path: Path) -> None:
    training = trained(model, settings(), stop=2)
    Scratch(tmp_path, "one").save(training.state())
    assert Scratch(tmp_path, "other").load(torch.device("cpu")) is None
    assert Scratch(tmp_path, "one").load(torch.device("cpu")) is not None


@pytest.mark.parametrize("kind", ["flipped", "truncated", "text", "archive"])
def test_a_damaged_state_means_to_begin_at_the_start(
    kind: str, model: torch.nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scratch = Scratch(tmp_path, "one")
    scratch.save(trained(model, settings(), stop=2).state())
    content = scratch.path.read_bytes()
    if kind == "archive":
        save({"identity": "one"}, scratch.path)
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        damaged = {"flipped": flipped, "truncated": content[:middle], "text": b"state"}
        scratch.path.write_bytes(damaged[kind])
    rest = Training(model, settings(), torch.device("cpu"), what="test", file="x")
    resume(rest, scratch)
    assert rest.progress.step == 0
    assert "a saved state is damaged" in capsys.readouterr().out


def test_only_targets_are_counted(model: torch.nn.Module) -> None:
    training = trained(model, settings(), stop=1)
    batch = EpochBatches(examples(), 8, 0).batch(0)
    counted = sum(target != IGNORED for row in batch.targets for target in row)
    assert training.progress.target_tokens == counted
    assert training.progress.tokens == sum(map(len, batch.ids))


def test_the_loss_is_the_reference_librarys(model: torch.nn.Module) -> None:
    batch = EpochBatches(examples(), 8, 0).batch(0)
    width = max(map(len, batch.ids))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in batch.ids])
    labels = torch.tensor([row + [IGNORED] * (width - len(row)) for row in batch.targets])
    with torch.no_grad():
        # transformers shifts labels itself; ours are shifted already.
        shifted = torch.cat([torch.full((len(labels), 1), IGNORED), labels[:, :-1]], 1)
        padded = torch.cat([ids, torch.zeros(len(ids), 1, dtype=torch.long)], 1)
        shifted = torch.cat([shifted, labels[:, -1:]], 1)
        reference = model(input_ids=padded, labels=shifted).loss
    training = trained(model, settings(), stop=1)
    assert training.progress.losses[0] == pytest.approx(float(reference), rel=1e-5)


def test_lora_trains_the_adapter_alone(model: torch.nn.Module) -> None:
    adapted = with_adapter(model, Lora(r=2, alpha=4), 0)
    trainable = [name for name, p in adapted.named_parameters() if p.requires_grad]
    assert trainable
    assert all("lora_" in name for name in trainable)


def test_the_pull_to_the_start_shortens_the_way(model: torch.nn.Module) -> None:
    start = weights(model)
    free = trained(copy.deepcopy(model), settings())
    held = trained(copy.deepcopy(model), settings(l2=10.0))
    assert (weights(held.model) - start).norm() < 0.9 * (weights(free.model) - start).norm()


def test_a_loss_that_is_not_finite_stops_the_run(model: torch.nn.Module) -> None:
    with pytest.raises(StudyError, match="not finite at step"):
        trained(model, settings(rate=1e30))


def test_schedules_rise_and_fall() -> None:
    linear = Schedule(1.0, 100, 0.1, "linear")
    assert linear.rate(0) == pytest.approx(0.1)
    assert linear.rate(9) == linear.rate(10) == 1.0
    assert linear.rate(99) == pytest.approx(1 / 90)
    assert Schedule(1.0, 100, 0.0, "cosine").rate(50) == pytest.approx(0.5)
    assert Schedule(1.0, 100, 0.0, "constant").rate(99) == 1.0


def test_epochs_visit_every_example_once() -> None:
    made = examples()
    batches = EpochBatches(made, 8, 0)
    assert steps_in(20, 8, 3) == 9
    for epoch in range(2):
        seen = [ids for step in range(3) for ids in batches.batch(epoch * 3 + step).ids]
        assert sorted(seen) == sorted(example.ids for example in made)


def test_mixes_hold_their_shares() -> None:
    made = examples()
    mixed = mix({"$target": made, "other": made[:2]}, {"$target": 1.0, "other": 0.5}, 0)
    assert len(mixed) == 30


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGURG])
def test_a_signal_saves_the_state_and_ends_the_run(
    model: torch.nn.Module, tmp_path: Path, number: signal.Signals
) -> None:
    batches = EpochBatches(examples(), 8, 0)

    def batch(step: int) -> Batch:
        if step == 4:
            os.kill(os.getpid(), number)
        return batches.batch(step)

    training = Training(model, settings(), torch.device("cpu"), what="test", file="x")
    scratch = Scratch(tmp_path, "identity")
    with pytest.raises(Interrupted) as ended:
        training.run(batch, STEPS, scratch)
    assert ended.value.code == 128 + number
    state = scratch.load(torch.device("cpu"))
    assert state is not None
    assert state["progress"]["step"] == 5
