# syntax=docker/dockerfile:1
# One image for every process: `syndicator run` (all in one), `serve`, `worker`, or any other command.
# Start it read-only, with one volume: docker run --read-only -v syndicator:/data -p 8000:8000 …

ARG PYTHON=3.13-slim

FROM python:${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY build.lock runtime.lock ./
# The installer and what sdists are built with, by hash as well; they stay behind in this stage.
RUN python -m venv /opt/build && /opt/build/bin/pip install --quiet --require-hashes -r build.lock
RUN python -m venv --without-pip /opt/syndicator
# The dependencies are a layer of their own: it changes with the lock only. Byte code is written now: the
# running image is read-only.
RUN /opt/build/bin/uv pip install --quiet --no-cache --python /opt/syndicator/bin/python --compile-bytecode \
    --require-hashes --build-constraints build.lock -r runtime.lock
COPY pyproject.toml README.md* LICENSE ./
COPY syndicator syndicator
RUN /opt/build/bin/uv pip install --quiet --no-cache --python /opt/syndicator/bin/python --compile-bytecode \
    --build-constraints build.lock --no-deps .

FROM python:${PYTHON}
RUN useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin syndicator \
    && install -d -o 10001 -g 10001 /data
COPY --from=build /opt/syndicator /opt/syndicator
WORKDIR /app
COPY config config
ENV PATH=/opt/syndicator/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TMPDIR=/data \
    SYNDICATOR_STORE__URL=sqlite:////data/syndicator.sqlite \
    SYNDICATOR_STORE__MEDIA_DIR=/data/media \
    SYNDICATOR_MAIL__FOLDER=/data/mail \
    SYNDICATOR_WEB__HOST=0.0.0.0
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["syndicator", "health"]
ENTRYPOINT ["syndicator"]
CMD ["run"]
