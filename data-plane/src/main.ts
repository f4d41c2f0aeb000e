#!/usr/bin/env node
import { holdYoungGeneration } from './heap-size.js';

// A sidecar's memory counts for every workload: held before anything else is loaded.
holdYoungGeneration();

const { runProxy } = await import('./run-proxy.js');
await runProxy(process.argv.slice(2));
