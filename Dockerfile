# The page on a CPU:  docker build -t diffusion . && docker run --rm -p 7860:7860 diffusion
# docs/hosting.md has the rest: other models, other ports, a path prefix.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 GRADIO_ANALYTICS_ENABLED=False \
    GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860 HF_HOME=/home/visitor/huggingface

RUN useradd --create-home --uid 1000 visitor
WORKDIR /home/visitor/page

# PyTorch's own index has wheels without CUDA, which are a tenth as large.
COPY requirements.txt .
RUN pip install --no-cache-dir $(grep ^torch requirements.txt) --index-url https://download.pytorch.org/whl/cpu \
    && pip install --no-cache-dir -r requirements.txt

# The program belongs to root: it reads its own files, and writes uploads, and models of the Hub, elsewhere.
COPY . .
USER visitor

# Runs and other models: -v ./runs:/models:ro -e MODEL=/models/my-run
VOLUME /models
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s CMD python -c "import os, http.client as http; \
page = http.HTTPConnection('127.0.0.1', int(os.environ['GRADIO_SERVER_PORT']), timeout=9); \
page.request('GET', '/gradio_api/app_id'); exit(page.getresponse().status != 200)"

CMD ["python", "app.py"]
