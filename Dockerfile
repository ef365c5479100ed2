# syntax=docker/dockerfile:1.7
#
# One image, one target per service:
#
#   docker build --target camera|dashboard|pinning|yolo|yolo-slim .
#
# Everything is installed from requirements/*.lock by its hash. The exception is torch, in `yolo`:
# TORCH_INDEX_URL names one of PyTorch's own package indexes, whose builds have other hashes.
#
#   TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu     the default: 1.5 GB, no GPU
#   TORCH_INDEX_URL=https://download.pytorch.org/whl/cu130   that CUDA version
#   TORCH_INDEX_URL=                                         the lock's own torch: CUDA, 5.2 GB
#
# `yolo-slim` has no torch at all and runs the same exported models with OpenVINO alone.

# At least Debian 13: OpenVINO's wheel for aarch64 asks for glibc 2.35.
ARG PYTHON_IMAGE=python:3.13-slim-trixie


# ------------------------------------------------------------------------------- what all share
FROM ${PYTHON_IMAGE} AS base
ENV PATH=/opt/pinhole/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    PINHOLE_SECRETS_DIR=/run/secrets
# tini is process 1: it passes SIGTERM on and buries what the workers leave behind.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 pinhole \
    && useradd --uid 10001 --gid pinhole --no-create-home --home-dir /tmp pinhole \
    && install --directory --owner pinhole --group pinhole \
        /var/lib/pinhole /var/lib/pinhole/tokens /var/lib/pinhole/camera
COPY deploy/docker/healthy.py /usr/local/lib/pinhole/healthy.py
WORKDIR /var/lib/pinhole
ENTRYPOINT ["tini", "--"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["python", "/usr/local/lib/pinhole/healthy.py"]

# What OpenCV's wheel expects of the system (its other libraries are in the wheel).
FROM base AS imaging
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0t64 libxcb1 \
    && rm -rf /var/lib/apt/lists/*


# ------------------------------------------------------------------- installing, thrown away after
FROM base AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=
WORKDIR /build
COPY requirements/ requirements/
COPY deploy/docker/lock_part.py ./
# setuptools builds our own wheel and the one dependency that has none (python-baseconv).
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv /opt/pinhole \
    && python lock_part.py only setuptools requirements/yolo.lock > setuptools.lock \
    && pip install --require-hashes -r setuptools.lock

FROM build AS wheel
COPY pyproject.toml README.md LICENSE ./
COPY pinhole/ pinhole/
COPY camera_uploader/ camera_uploader/
COPY dashboard_gateway/ dashboard_gateway/
COPY pinning/ pinning/
COPY yolo_fetcher/ yolo_fetcher/
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheel .

FROM build AS install-camera
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-build-isolation --require-hashes -r requirements/camera.lock \
    && pip uninstall --yes setuptools
RUN --mount=from=wheel,source=/wheel,target=/wheel pip install --no-deps /wheel/*.whl

FROM build AS install-dashboard
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-build-isolation --require-hashes -r requirements/dashboard.lock \
    && pip uninstall --yes setuptools
RUN --mount=from=wheel,source=/wheel,target=/wheel pip install --no-deps /wheel/*.whl

FROM build AS install-pinning
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-build-isolation --require-hashes -r requirements/pinning.lock \
    && pip uninstall --yes setuptools
RUN --mount=from=wheel,source=/wheel,target=/wheel pip install --no-deps /wheel/*.whl

FROM build AS install-yolo-slim
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-build-isolation --require-hashes -r requirements/yolo-slim.lock \
    && pip uninstall --yes setuptools
RUN --mount=from=wheel,source=/wheel,target=/wheel pip install --no-deps /wheel/*.whl

FROM build AS install-yolo
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
RUN --mount=type=cache,target=/root/.cache/pip \
    if [ -z "$TORCH_INDEX_URL" ]; then \
        pip install --no-build-isolation --require-hashes -r requirements/yolo.lock; \
    else \
        python lock_part.py without-torch requirements/yolo.lock > rest.lock \
        && python lock_part.py torch requirements/yolo.lock > torch.txt \
        && pip install --no-build-isolation --no-deps --require-hashes -r rest.lock \
        && pip install --index-url "$TORCH_INDEX_URL" -r torch.txt; \
    fi
RUN --mount=from=wheel,source=/wheel,target=/wheel pip install --no-deps /wheel/*.whl


# -------------------------------------------------------- the services, in the order of a frame's way
FROM imaging AS camera
COPY --from=install-camera /opt/pinhole /opt/pinhole
ENV CAMERA_HEALTH_HOST=0.0.0.0 CAMERA_HEALTH_PORT=8083 PINHOLE_HEALTH_PORT=8083
USER pinhole
CMD ["python", "-m", "camera_uploader"]

FROM imaging AS dashboard
COPY --from=install-dashboard /opt/pinhole /opt/pinhole
COPY deploy/docker/prepare.py /usr/local/lib/pinhole/prepare.py
ENV DASHBOARD_HOST=0.0.0.0 DASHBOARD_PORT=8080 PINHOLE_HEALTH_PORT=8080
EXPOSE 8080
USER pinhole
CMD ["python", "-m", "dashboard_gateway"]

FROM base AS pinning
COPY --from=install-pinning /opt/pinhole /opt/pinhole
ENV PINNING_HOST=0.0.0.0 PINNING_PORT=8081 PINHOLE_HEALTH_PORT=8081
EXPOSE 8081
USER pinhole
CMD ["python", "-m", "pinning"]

FROM imaging AS yolo-slim
COPY --from=install-yolo-slim /opt/pinhole /opt/pinhole
COPY --chown=pinhole:pinhole models/ /var/lib/pinhole/models/
ENV YOLO_HOST=0.0.0.0 YOLO_PORT=8082 PINHOLE_HEALTH_PORT=8082 \
    YOLO_MODELS_DIR=/var/lib/pinhole/models YOLO_BACKEND=openvino
EXPOSE 8082
USER pinhole
CMD ["python", "-m", "yolo_fetcher"]

FROM imaging AS yolo
COPY --from=install-yolo /opt/pinhole /opt/pinhole
COPY --chown=pinhole:pinhole models/ /var/lib/pinhole/models/
# ultralytics and matplotlib write settings where HOME is; a read-only container has only /tmp.
ENV YOLO_HOST=0.0.0.0 YOLO_PORT=8082 PINHOLE_HEALTH_PORT=8082 \
    YOLO_MODELS_DIR=/var/lib/pinhole/models YOLO_BACKEND=ultralytics \
    YOLO_CONFIG_DIR=/tmp/ultralytics MPLCONFIGDIR=/tmp/matplotlib
EXPOSE 8082
USER pinhole
CMD ["python", "-m", "yolo_fetcher"]
