"""Ways of training that must agree, bit for bit where nothing is summed in another order."""

import copy
import os
import signal
from pathlib import Path

import pytest
import torch
from tiny import tiny_model

from tuning_dynamics.engine.flat import IGNORED
from tuning_dynamics.engine.loop import (
    Batch,
    Interrupted,
    Schedule,
    Scratch,
    Settings,
    Training,
    resume,
)
from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.recipes import Lora
from tuning_dynamics.tune.examples import Example
from tuning_dynamics.tune.order import EpochBatches, mix, steps_in
from tuning_dynamics.tune.stages import with_adapter

STEPS = 12


def settings(micro_batch: int = 8, seed: int = 0, rate: float = 1e-2, **more: float) -> Settings:
    return Settings(
        schedule=Schedule(rate, STEPS, 0.1, "linear"),
        weight_decay=0.1,
        clip_norm=1.0,
        betas=(0.9, 0.999),
        seed=seed,
        micro_batch=micro_batch,
        save_seconds=1e9,
        **more,
    )


def examples() -> list[Example]:
    generator = torch.Generator().manual_seed(0)
    made = []
    for n in range(20):
        ids = torch.randint(1, 60, (5 + n % 7,), generator=generator).tolist()
        targets = [IGNORED, IGNORED, *ids[3:], 0]
        made.append(Example(ids, targets, False))
    return made


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


def test_batch_of_eight_equals_eight_accumulated(model: torch.nn.Module) -> None:
    # In double precision: AdamW divides by the gradient's size, which makes the rounding of one
    # near zero as large as a step.
    whole = trained(copy.deepcopy(model).double(), settings(8))
    parts = trained(copy.deepcopy(model).double(), settings(1))
    assert whole.progress.losses == pytest.approx(parts.progress.losses, rel=1e-5)
    assert torch.allclose(weights(whole.model), weights(parts.model), rtol=1e-4, atol=1e-5)


def test_padding_changes_nothing(model: torch.nn.Module) -> None:
    one = examples()[0]
    alone = Batch([one.ids], [one.targets])
    padded = Batch([*alone.ids, [1] * 30], [*alone.targets, [IGNORED] * 30])
    losses = []
    for batch in (alone, padded):
        training = Training(
            copy.deepcopy(model), settings(), torch.device("cpu"), what="t", file="x"
        )
        training.run(lambda _, batch=batch: batch, 3, None)
        losses.append(training.progress.losses)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


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
    held = trained(copy.deepcopy(model), settings(l2_to_start=10.0))
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
