#!/usr/bin/env -S node --max-semi-space-size=4
import { supervisorOf } from '@heddle/supervisor/supervisor-link';

const args = process.argv.slice(2);

// Each is loaded alone: a supervisor stands beside every proxy and must stay small.
if (args.includes('--supervise')) await (await import('./supervise.js')).supervise(args, process.env);
else await (await import('./run-proxy.js')).runProxy(args, () => supervisorOf(process, process.env));
