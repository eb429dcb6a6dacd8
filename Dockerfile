# The gateway as a container: docker build -t ponder . && docker run -p 8000:8000 -v ponder:/data ponder --model MODEL@http://HOST:PORT/v1
FROM python:3.12-slim AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY src src
RUN python -m venv /opt/ponder && /opt/ponder/bin/pip install --no-cache-dir ".[serve,otel,mcp]"

FROM python:3.12-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin ponder && install -d -o ponder -g ponder /data
COPY --from=build /opt/ponder /opt/ponder
ENV PATH=/opt/ponder/bin:$PATH PYTHONUNBUFFERED=1 XDG_DATA_HOME=/data XDG_CACHE_HOME=/data/cache
USER ponder
VOLUME /data
EXPOSE 8000
# SIGTERM lets requests finish: give docker stop more time than --grace (30 s by default).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
# From outside the container anyone could spend: make a key first (docker run -v ponder:/data --entrypoint ponder ponder keys create ME).
ENTRYPOINT ["ponder", "serve", "--host", "0.0.0.0", "--port", "8000"]
