export type { MicroCase } from './micro/micro-case.js';
export type { Scenario, ScenarioVariant } from './load/scenario.js';
