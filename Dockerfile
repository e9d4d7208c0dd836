# One image; serve, work and migrate are commands of it. It needs a PostgreSQL (AVAL_DATABASE_URL)
# or a volume at /var/lib/aval for the embedded one.
FROM python:3.11-slim-bookworm AS build
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /srv/aval
# compiled here: the processes of a read-only image would compile everything at each start
ENV UV_COMPILE_BYTECODE=1
COPY pyproject.toml requirements.lock README.md ./
# the lock pins everything, the tools of development too: as constraints it only pins what is needed
RUN uv venv /opt/aval && uv pip install --python /opt/aval --no-cache \
      --constraint requirements.lock --extra train --requirements pyproject.toml
COPY app app
RUN uv pip install --python /opt/aval --no-cache --no-deps --editable . \
 && /opt/aval/bin/python -m compileall -q --invalidation-mode unchecked-hash app

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/aval --create-home aval
COPY --from=build /opt/aval /opt/aval
WORKDIR /srv/aval
COPY pyproject.toml README.md ./
COPY --from=build /srv/aval/app app
COPY migrations migrations
COPY models_store models_store
# metrics on every address of the container: who publishes only 8000 keeps them inside
ENV PATH=/opt/aval/bin:$PATH AVAL_STATE_DIR=/var/lib/aval AVAL_OPS_HOST=0.0.0.0 \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
VOLUME /var/lib/aval
EXPOSE 8000 9464
ENTRYPOINT ["aval"]
CMD ["serve", "--host", "0.0.0.0"]
