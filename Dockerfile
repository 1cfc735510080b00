# The image has not been built where this project is developed: no registry of images is reached
# there.  tests/packaging runs the commands below without a container, from the same locks.

# ---- Build: everything that compiles, downloads or installs stays in this stage.
FROM python:3.12-slim AS build

# An office without internet passes its own mirror: docker build --build-arg PIP_INDEX_URL=...
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src

# The locks change less often than the code: a rebuild after an edit starts below.
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/build
RUN /opt/build/bin/python -m pip install --require-hashes -r requirements-build.lock
# Without isolation, what is published as source is built with the pinned tools and no others.
RUN /opt/build/bin/python -m pip wheel --require-hashes --no-build-isolation --wheel-dir /wheels -r requirements.lock

COPY pyproject.toml README.md ./
COPY reminder reminder
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

# No pip goes into the environment that is shipped; pip of the build stage fills it from outside.
RUN python -m venv --without-pip /opt/reminder/venv
RUN /opt/build/bin/python -m pip --python /opt/reminder/venv/bin/python install --no-index --no-deps /wheels/*.whl
# Copied below with its owner, so that a fresh volume belongs to the user who writes there.
RUN mkdir /data

# ---- Final: no command is run in it, so nothing can be installed into it.
FROM python:3.12-slim

# The venv's interpreter is a link to the base image's, so both stages name the same base.
COPY --from=build /opt/reminder/venv /opt/reminder/venv
COPY --from=build --chown=10001:10001 /data /data
# Samples; an office mounts its own folders over these two.
COPY schedules /opt/reminder/schedules
COPY message_templates /opt/reminder/message_templates

# Time zones come from the tzdata wheel: the image needs no system package, and the lock pins them.
# Nothing is written outside /data, temporary files included, so the root may be read-only.
ENV PATH=/opt/reminder/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TMPDIR=/data \
    REMINDER_SCHEDULES=/opt/reminder/schedules \
    REMINDER_TEMPLATES=/opt/reminder/message_templates \
    REMINDER_DATA=/data \
    REMINDER_SECRETS=/run/secrets

# A number: a cluster that demands runAsNonRoot cannot tell what a name stands for.
USER 10001:10001
WORKDIR /data
VOLUME /data

# The daemon writes its health once a second; what has not moved for a minute is unhealthy.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["reminder", "health"]
# On SIGTERM what is being sent is finished and recorded; give it up to 60 s (stop_grace_period).
STOPSIGNAL SIGTERM
ENTRYPOINT ["reminder"]
CMD ["run"]
