import { randomBytes } from 'node:crypto';
import type { MicroCase } from '../micro-case.js';

/** Work that does not change with this project: tells a slower machine from a slower program. */
export const calibration: readonly MicroCase[] = [
  {
    name: 'calibration: find the end of a 400-byte head',
    create() {
      const head = Buffer.from(`${'header: value\r\n'.repeat(26)}\r\n\r\n`, 'latin1');
      return (count) => {
        let sum = 0;
        for (let i = 0; i < count; i++) sum += head.indexOf('\r\n\r\n', 0, 'latin1');
        return sum;
      };
    },
  },
  {
    name: 'calibration: look a string up among 10,000',
    create() {
      const keys = Array.from({ length: 10_000 }, () => randomBytes(12).toString('hex'));
      const values = new Map(keys.map((key, index) => [key, index]));
      return (count) => {
        let sum = 0;
        for (let i = 0; i < count; i++) sum += values.get(keys[i % keys.length] as string) as number;
        return sum;
      };
    },
  },
];
