# A small image for the bot. docs/docker.md goes through it.
FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY meterbot ./meterbot
RUN python -m venv /opt/meterbot \
    && /opt/meterbot/bin/pip install --no-cache-dir -c constraints.txt '.[sentry]'

FROM python:3.13-slim-bookworm
RUN groupadd --system --gid 10001 meterbot \
    && useradd --system --uid 10001 --gid 10001 --no-create-home meterbot \
    && install -d -m 700 -o meterbot -g meterbot /var/lib/meterbot
COPY --from=build /opt/meterbot /opt/meterbot
ENV PATH=/opt/meterbot/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    METERBOT_CONFIG=/etc/meterbot/config.toml \
    PORT=8080
USER 10001:10001
# sqlite:///meterbot.db starts from here, the only place that is written to.
WORKDIR /var/lib/meterbot
VOLUME /var/lib/meterbot
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["meterbot", "healthcheck"]
ENTRYPOINT ["meterbot"]
CMD ["run"]
