# syntax=docker/dockerfile:1
# One image for every process: `syndicator run` (all in one), `serve`, `worker`, or any other command.
# Start it read-only, with one volume: docker run --read-only -v syndicator:/data -p 8000:8000 …

ARG PYTHON=3.13-slim

FROM python:${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv /opt/syndicator
# The dependencies are a layer of their own: it changes with the lock only. What sdists are built with is
# locked too; older versions of pip read the one variable, newer ones the other.
COPY build.lock runtime.lock ./
ENV PIP_CONSTRAINT=/src/build.lock PIP_BUILD_CONSTRAINT=/src/build.lock
RUN /opt/syndicator/bin/pip install --quiet --require-hashes -r runtime.lock
COPY pyproject.toml README.md* LICENSE ./
COPY syndicator syndicator
# Byte code is written now: the running image is read-only.
RUN /opt/syndicator/bin/pip install --quiet --no-deps . \
    && /opt/syndicator/bin/python -m compileall -q /opt/syndicator/lib \
    && /opt/syndicator/bin/pip uninstall --quiet --yes pip

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
