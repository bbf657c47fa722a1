# The service in a container; built from the repository's root, see serve/README.md.
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY model model
COPY training training
COPY serve serve
RUN python -m venv /opt/alliance && /opt/alliance/bin/pip install --no-cache-dir '.[serve]'

FROM python:3.12-slim
COPY --from=build /opt/alliance /opt/alliance
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin alliance
USER 10001
ENV PATH=/opt/alliance/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    ALLIANCE_HOST=0.0.0.0 ALLIANCE_KEYS_FILE=/keys/keys.json
EXPOSE 8642
# Without a key /livez alone answers.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('ALLIANCE_PORT', '8642') + '/livez', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["alliance", "serve"]
