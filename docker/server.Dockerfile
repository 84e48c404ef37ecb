# The server: NVIDIA's Triton, the library without torch, and what Triton's Python models import.
#
#   docker build --file docker/server.Dockerfile --tag trifuse-server .
#
# To pin the very image: --build-arg TRITON_IMAGE=nvcr.io/nvidia/tritonserver@sha256:DIGEST
ARG TRITON_IMAGE=nvcr.io/nvidia/tritonserver:26.07-py3
FROM ${TRITON_IMAGE}

# That of the image's own Python, which runs Triton's Python models.
ARG SITE_PACKAGES=/usr/local/lib/python3.12/dist-packages

COPY locks/container.txt /opt/trifuse/container.txt
RUN python3 -m pip install --no-cache-dir --break-system-packages --require-hashes \
        --requirement /opt/trifuse/container.txt
COPY src/trifuse ${SITE_PACKAGES}/trifuse
COPY --chmod=755 docker/serve.sh /usr/local/bin/serve

# A volume that is mounted here belongs to the user below. What cannot be imported fails here and not at night.
RUN install --directory --owner=1000 --group=1000 /var/cache/trifuse \
    && PYTHONPATH=/opt/tritonserver/backends/python \
        python3 -c "import trifuse.serving.python_backend, trifuse.serving.health"

# A thread for each of Triton's instances is enough, freed memory is kept (docs/decisions/0018), and the models are
# mounted read-only. No token is a secret here.
# hadolint ignore=DL3064
ENV OMP_NUM_THREADS=1 \
    MALLOC_MMAP_THRESHOLD_=67108864 \
    MALLOC_TRIM_THRESHOLD_=268435456 \
    MALLOC_TOP_PAD_=16777216 \
    OPENBLAS_NUM_THREADS=1 \
    TOKENIZERS_PARALLELISM=false \
    PYTHONDONTWRITEBYTECODE=1

USER 1000:1000
EXPOSE 8000 8001 8002
HEALTHCHECK --interval=60s --timeout=30s --start-period=300s --retries=3 \
    CMD ["python3", "-m", "trifuse.serving.health"]
# NVIDIA's entry point, which finds the libraries for the driver, stays and runs this.
CMD ["serve"]
