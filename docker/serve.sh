#!/bin/sh
# Start Triton on the published models in /models. TRIFUSE_TARGET is what their parts run as: `cpu`, `gpu` (ONNX
# Runtime) or `tensorrt` (plans). Arguments are passed on to tritonserver.
set -eu

repository="${TRIFUSE_REPOSITORY:-/models}"
target="${TRIFUSE_TARGET:-cpu}"

fail() {
    echo "error: $1" >&2
    exit 2
}

case "$target" in
    cpu) ;;
    gpu | tensorrt)
        nvidia-smi -L >/dev/null 2>&1 \
            || fail "TRIFUSE_TARGET is $target, but this container sees no GPU. Start it with a GPU, or with cpu"
        set -- "--model-config-name=$target" "$@"
        ;;
    *) fail "TRIFUSE_TARGET is '$target', expected cpu, gpu or tensorrt" ;;
esac

for config in "$repository"/*/config.pbtxt; do
    [ -e "$config" ] || fail "there are no models in $repository. Publish a system and mount the repository there"
done

# Nobody knows the key, so that these are closed. Over gRPC, versions can be loaded: the port is for administrators.
key="$(cat /proc/sys/kernel/random/uuid)"

exec tritonserver \
    "--model-repository=$repository" \
    --model-control-mode=explicit \
    "--load-model=*" \
    --disable-auto-complete-config \
    --exit-timeout-secs=20 \
    "--http-restricted-api=model-repository,shared-memory,trace,logging:trifuse-key=$key" \
    "--grpc-restricted-protocol=shared-memory,trace,logging:trifuse-key=$key" \
    "$@"
