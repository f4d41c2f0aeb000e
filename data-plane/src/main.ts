#!/usr/bin/env node
import { runProxy } from './run-proxy.js';

await runProxy(process.argv.slice(2));
