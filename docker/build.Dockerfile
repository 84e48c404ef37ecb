# For machines with a GPU: train, export, and build plans in the server's version of TensorRT.
#
#   docker build --file docker/build.Dockerfile --tag trifuse-build .
#
# Both images must be of the same release: plans run in the TensorRT that built them only.
ARG TENSORRT_IMAGE=nvcr.io/nvidia/tensorrt:26.07-py3
FROM ${TENSORRT_IMAGE}

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libpython3.12 python3-venv \
    && rm -rf /var/lib/apt/lists/*

# The image's TensorRT is seen from the environment, and all else comes from the lock.
COPY locks/gpu.txt locks/server.txt /opt/trifuse/locks/
RUN python3 -m venv --system-site-packages /opt/trifuse/environment \
    && /opt/trifuse/environment/bin/pip install --no-cache-dir --require-hashes \
        --requirement /opt/trifuse/locks/gpu.txt
# What is published is tried first in a Triton of its own, on the CPU.
RUN python3 -m venv /opt/trifuse/server \
    && /opt/trifuse/server/bin/pip install --no-cache-dir --require-hashes \
        --requirement /opt/trifuse/locks/server.txt

WORKDIR /trifuse
COPY src/trifuse src/trifuse
COPY build build
COPY model_repository model_repository

ENV PATH=/opt/trifuse/environment/bin:${PATH} \
    PYTHONPATH=/trifuse/src \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    TRIFUSE_SERVER_ENVIRONMENT=/opt/trifuse/server

# Fails when the image has no TensorRT, or not the server's.
RUN python -c "from trifuse.export.to_tensorrt import load_tensorrt; load_tensorrt()"

USER 1000:1000
CMD ["python", "build/build_engine.py", "--help"]
