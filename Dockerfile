# A served run: docker build -t md2n-serve . && docker run --rm -p 8000:8000 -v ./runs/first:/model:ro md2n-serve
FROM python:3.12-slim

# A CPU build of torch; for a GPU give another index, and run with --gpus all and --device cuda.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir --index-url "$TORCH_INDEX" "$(grep '^torch==' constraints.txt)" \
 && pip install --no-cache-dir --constraint constraints.txt '.[serve]' \
 && rm -rf /build

RUN useradd --create-home md2n
USER md2n
WORKDIR /
# One thread: two that wait for one another on a busy machine are far slower.
ENV OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD \
  ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=5)"]
ENTRYPOINT ["md2n", "serve", "/model", "--host", "0.0.0.0"]
