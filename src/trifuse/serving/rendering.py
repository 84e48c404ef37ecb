"""Render a contract to the configurations of its Triton models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import (
    DataType,
    ModelConfig,
    ModelInput,
    ModelInstanceGroup,
    ModelOutput,
)

from trifuse import systems
from trifuse.errors import ConfigurationError
from trifuse.serving.cores import part_threads
from trifuse.serving.gpu_configs import gpu_configs

if TYPE_CHECKING:
    from trifuse.contracts import EnsembleSpec, ModelSpec, ServiceSpec, SystemContract, TensorSpec

_CORES_PER_PART_INSTANCE = 4
# In the embedded server every instance is a process that loads its own weights, so that many cores would
# use up the memory; those of the preprocessing are small.
_MAXIMUM_PART_INSTANCES, _MAXIMUM_PREPROCESS_INSTANCES = 2, 4
_LEAST_SERVICE_INSTANCES = 4
_DEFINITION_PROFILE, _DEFINITION_VERSION, _DEFINITION_CORES = "full", 1, 4


def render(contract: SystemContract, version: int, cores: int) -> dict[str, str]:
    """Write every model's config.pbtxt for a machine with that many cores, by model name.

    Ensembles come last and pin `version` in every step, so that they never mix two versions.
    """
    configs = [_preprocess(contract, cores)]
    configs += [_part(contract, part, cores) for part in contract.parts]
    configs += [_ensemble(contract, ensemble, version) for ensemble in contract.ensembles]
    return {config.name: _header(contract, config, cores) + _text(config) for config in configs}


def definition(system: str) -> dict[str, str]:
    """Render what model_repository/ in git holds: the full profile, version 1, for four cores."""
    contract = systems.contract(system, _DEFINITION_PROFILE)
    services = render_services(contract, _DEFINITION_VERSION, _DEFINITION_CORES)
    return render(contract, _DEFINITION_VERSION, _DEFINITION_CORES) | services


def gpu_definition(system: str) -> dict[str, str]:
    """Render the configurations for GPUs that model_repository/ in git holds, by path."""
    return render_gpu_configs(systems.contract(system, _DEFINITION_PROFILE))


def render_services(contract: SystemContract, version: int, cores: int) -> dict[str, str]:
    """Write every service's config.pbtxt, by model name; `version` is the one that answers."""
    configs = [_service(contract, service, version, cores) for service in contract.services]
    return {config.name: _header(contract, config, cores) + _text(config) for config in configs}


def render_gpu_configs(contract: SystemContract) -> dict[str, str]:
    """Write the parts' configurations for GPUs, by path in the repository: MODEL/configs/NAME.pbtxt.

    They are the same for every version and number of cores.
    """
    return {
        f"{config.name}/configs/{name}.pbtxt": _header(contract, config) + _text(config)
        for part in contract.parts
        for name, config in gpu_configs(_interface(contract, part), contract, part).items()
    }


def _header(contract: SystemContract, config: ModelConfig, cores: int | None = None) -> str:
    # An ensemble runs nothing itself, and a version's ensembles are the same on every machine.
    machine = f" for {cores} cores" if cores and config.platform != "ensemble" else ""
    return (
        f"# Rendered from the contract of {contract.system} (profile {contract.profile}){machine}.\n"
        "# Change the contract and render again instead of editing this file.\n"
    )


def _preprocess(contract: SystemContract, cores: int) -> ModelConfig:
    instances = min(cores, _MAXIMUM_PREPROCESS_INSTANCES)
    config = _model(contract, contract.preprocess, backend="python", instances=instances)
    _name_contract(config, contract)
    return config


def _part(contract: SystemContract, part: ModelSpec, cores: int) -> ModelConfig:
    instances = min(max(1, cores // _CORES_PER_PART_INSTANCE), _MAXIMUM_PART_INSTANCES)
    config = _model(contract, part, backend="onnxruntime", instances=instances)
    threads = part_threads((len(tensor.dims) for tensor in part.inputs), cores)
    config.parameters["intra_op_thread_count"].string_value = str(threads)
    return config


def _model(contract: SystemContract, model: ModelSpec, *, backend: str, instances: int) -> ModelConfig:
    config = _interface(contract, model)
    config.backend = backend
    # Every version stays loadable: ensembles choose the one that answers.
    config.version_policy.all.SetInParent()
    # Without a queue delay: a batch is what gathered while the last one ran, and nobody waits for company.
    config.dynamic_batching.SetInParent()
    config.instance_group.append(ModelInstanceGroup(count=instances, kind=ModelInstanceGroup.KIND_CPU))
    return config


def _service(contract: SystemContract, service: ServiceSpec, version: int, cores: int) -> ModelConfig:
    config = _interface(contract, service, max_batch_size=0)
    config.backend = "python"
    config.version_policy.specific.versions.append(version)
    # One instance holds the data in memory; one that only calls other models waits for them most of the time.
    instances = 1 if service.holds_data else max(_LEAST_SERVICE_INSTANCES, 2 * cores)
    config.instance_group.append(ModelInstanceGroup(count=instances, kind=ModelInstanceGroup.KIND_CPU))
    _name_contract(config, contract)
    return config


def _name_contract(config: ModelConfig, contract: SystemContract) -> None:
    """Tell a Python model under which contract it was published: it checks that when it loads."""
    config.parameters["profile"].string_value = contract.profile
    config.parameters["contract_hash"].string_value = contract.hash


def _ensemble(contract: SystemContract, ensemble: EnsembleSpec, version: int) -> ModelConfig:
    config = _interface(contract, ensemble)
    config.platform = "ensemble"
    config.version_policy.specific.versions.append(version)
    steps = [contract.model(name) for name in ensemble.steps]
    available = {tensor.name for tensor in ensemble.inputs}
    for index, step in enumerate(steps):
        consumed = (ensemble.outputs, *(later.inputs for later in steps[index + 1 :]))
        needed = {tensor.name for tensors in consumed for tensor in tensors}
        rendered = config.ensemble_scheduling.step.add()
        rendered.model_name = contract.model_name(step.name)
        rendered.model_version = version
        for tensor in step.inputs:
            if tensor.name in available:
                rendered.input_map[tensor.name] = tensor.name
            elif not tensor.optional:
                raise ConfigurationError(
                    f"ensemble {ensemble.name}: step {step.name} needs '{tensor.name}', which nothing gives",
                    expected="an input of the ensemble or an output of an earlier step",
                )
        for tensor in step.outputs:
            if tensor.name in needed:
                rendered.output_map[tensor.name] = tensor.name
        available |= {tensor.name for tensor in step.outputs}
    return config


def _interface(
    contract: SystemContract, model: ModelSpec | EnsembleSpec, max_batch_size: int | None = None
) -> ModelConfig:
    return ModelConfig(
        name=contract.model_name(model.name),
        max_batch_size=contract.max_batch_size if max_batch_size is None else max_batch_size,
        input=[
            ModelInput(
                name=tensor.name, data_type=_data_type(tensor), dims=tensor.dims, optional=tensor.optional
            )
            for tensor in model.inputs
        ],
        output=[
            ModelOutput(name=tensor.name, data_type=_data_type(tensor), dims=tensor.dims)
            for tensor in model.outputs
        ],
    )


def _data_type(tensor: TensorSpec) -> int:
    name = "STRING" if tensor.dtype == "BYTES" else tensor.dtype
    value: int = DataType.Value(f"TYPE_{name}")
    return value


def _text(config: ModelConfig) -> str:
    text: str = text_format.MessageToString(config, as_utf8=True, use_short_repeated_primitives=True)
    return text
