#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';

// A sidecar's memory counts for every workload: the young generation stays small. Before anything else is loaded.
setFlagsFromString('--max-semi-space-size=8');

const { runProxy } = await import('./run-proxy.js');
await runProxy(process.argv.slice(2));
