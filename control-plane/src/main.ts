#!/usr/bin/env node
import { rmSync, writeFileSync } from 'node:fs';
import { createLogger, describeError, isMeshError, systemClock } from '@heddle/common';
import { HEDDLED_USAGE, parseHeddledArguments, type HeddledConfig } from './bootstrap.js';
import { ControlPlane } from './server.js';
import { formatProblem } from './source/format-problem.js';
import { HEDDLE_VERSION } from './version.js';

const parsed = parseHeddledArguments(process.argv.slice(2), process.env);
if (parsed.kind === 'help') process.stdout.write(HEDDLED_USAGE);
else if (parsed.kind === 'version') process.stdout.write(`heddled ${HEDDLE_VERSION}\n`);
else if (parsed.kind === 'error') {
  process.stderr.write(`heddled: ${parsed.message}\nTry 'heddled --help'.\n`);
  process.exitCode = 2;
} else await run(parsed.config);

async function run(config: HeddledConfig): Promise<void> {
  const log = createLogger({ component: 'heddled', level: config.logLevel });
  const color = process.stderr.isTTY;
  let shown = new Set<string>();
  let plane: ControlPlane;
  try {
    plane = new ControlPlane({
      ...config,
      version: HEDDLE_VERSION,
      clock: systemClock,
      log,
      onState: (state) => {
        const texts = state.problems.map((found) => formatProblem(found, { color }));
        for (const text of texts) if (!shown.has(text)) process.stderr.write(`${text}\n`);
        shown = new Set(texts);
      },
    });
  } catch (cause) {
    if (!isMeshError(cause)) throw cause;
    process.stderr.write(`heddled: cannot start: ${describeError(cause)}\n`);
    process.exitCode = 1;
    return;
  }
  if (config.identity === undefined) {
    log.warn('no certificates: proxies are whoever they say', { option: '--ca-dir' });
  }
  const stop = (): void => {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    // It holds the token.
    if (config.portsFile !== undefined) rmSync(config.portsFile, { force: true });
    void plane.close();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    const { xdsPort, apiPort, xdsTlsPort, webhookPort, rootsFile } = await plane.start();
    if (config.portsFile !== undefined) {
      const { token } = config;
      const ports = { xdsPort, apiPort, xdsTlsPort, webhookPort, rootsFile, token, pid: process.pid };
      writeFileSync(config.portsFile, `${JSON.stringify(ports)}\n`, { mode: 0o600 });
    }
    const secure = xdsTlsPort === undefined ? '' : `, over TLS on port ${xdsTlsPort}`;
    const webhook = webhookPort === undefined ? '' : `, webhook on port ${webhookPort}`;
    process.stdout.write(
      `heddled ${HEDDLE_VERSION}: xDS on port ${xdsPort}${secure}${webhook}, API on http://127.0.0.1:${apiPort}\n`,
    );
    if (config.tokenIsGenerated) process.stdout.write(`token for writes: ${config.token}\n`);
  } catch (cause) {
    process.stderr.write(`heddled: cannot start: ${describeError(cause)}\n`);
    process.exitCode = 1;
    await plane.close();
  }
}
