import type { MicroCase } from '../micro-case.js';
import { calibration } from './calibration.js';

/** Every micro-benchmark. */
export const MICRO_CASES: readonly MicroCase[] = [...calibration];
