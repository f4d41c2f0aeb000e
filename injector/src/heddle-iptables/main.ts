#!/usr/bin/env node
import { heddleIptables } from './command.js';
import { systemPrograms } from './rules-variant.js';

process.exitCode = heddleIptables(process.argv.slice(2), {
  run: systemPrograms(process.env),
  say: (text) => void process.stdout.write(text),
  complain: (text) => void process.stderr.write(text),
});
