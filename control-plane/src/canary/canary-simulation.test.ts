import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { FakeClock, createSeededRandom, silentLogger, type Random } from '@heddle/common';
import { canaryOf, type CanaryConfig } from '../model/canary.js';
import { parseMeshFile } from '../source/parse-mesh-file.js';
import { COLUMN, DURATION_BOUNDS_MS, emptyCounts } from '../traffic/call-columns.js';
import { CanaryController } from './canary-controller.js';
import { isOver, weightIn, type CanaryState } from './canary-state.js';
import type { CanaryCounts } from './judge.js';

const RUNS = 100;
const TICK_MS = 1_000;
const LONGEST_MS = 3_600_000;

/** What a release may be like. The first is the only one that should get through. */
const RELEASES = [
  'good',
  'failing',
  'slightly-failing',
  'worse-than-stable',
  'slow',
  'crashing',
  'refused',
  'unacknowledged',
  'not-split',
  'uncalled',
] as const;
type Release = (typeof RELEASES)[number];

const CANARY = canaryFrom(`
apiVersion: heddle.dev/v1alpha1
kind: Canary
metadata: { name: reviews }
spec:
  host: reviews
  stable: { subset: v1 }
  canary: { subset: v2 }
  steps: [{ weight: 5 }, { weight: 25 }, { weight: 50 }, { weight: 100 }]
  interval: 20s
  stepTimeout: 5m
  minRequests: 100
  successRate: { min: 99, maxDrop: 1 }
  latency: { max: 250ms, maxRatio: 2 }
`);

describe(`a hundred canaries with seeds, with restarts of heddled in every phase`, () => {
  const outcomes: {
    readonly seed: number;
    readonly release: Release;
    readonly phase: string;
    readonly why: string;
  }[] = [];
  const restarted = new Set<string>();
  before(() => {
    for (let seed = 1; seed <= RUNS; seed++) {
      const release =
        seed % 2 === 0 ? 'good' : (RELEASES[1 + (((seed - 1) / 2) % (RELEASES.length - 1))] as Release);
      const { state, restartsIn } = new World(seed, release).run();
      for (const phase of restartsIn) restarted.add(phase);
      outcomes.push({ seed, release, phase: state.phase, why: state.reason });
    }
  });

  it('promote no bad release', () => {
    assert.deepEqual(
      outcomes.filter(({ release, phase }) => release !== 'good' && phase !== 'rolled-back'),
      [],
    );
  });

  it('promote the good ones', () => {
    const lost = outcomes.filter(({ release, phase }) => release === 'good' && phase !== 'promoted');
    assert.ok(lost.length <= 2, JSON.stringify(lost, undefined, 2));
  });

  it('tell why a release was ended, by what was wrong with it', () => {
    const words: Readonly<Record<Exclude<Release, 'good'>, RegExp>> = {
      failing: /succeed/,
      'slightly-failing': /succeed/,
      'worse-than-stable': /succeed/,
      slow: /p99/,
      crashing: /no endpoint|succeed/,
      refused: /refused/,
      unacknowledged: /not taken the weights|in time/,
      'not-split': /of the calls, and|in time/,
      uncalled: /in time/,
    };
    for (const { release, why, seed } of outcomes) {
      if (release !== 'good') assert.match(why, words[release], `seed ${seed}, ${release}`);
    }
  });

  it('were interrupted in every phase in which they can be', () => {
    assert.deepEqual([...restarted].sort(), ['applying', 'observing', 'promoted', 'rolled-back', 'waiting']);
  });
});

/** A mesh with one service of two versions, and a heddled that may be started again at any moment. */
class World {
  readonly #random: Random;
  readonly #release: Release;
  readonly #clock = new FakeClock();
  readonly #files = new Map<string, CanaryState>();
  readonly #rate: number;
  readonly #stableFailures: number;
  readonly #crashAtMs: number;
  #counts: CanaryCounts = none();
  #controller: CanaryController;
  #roundBeganMs = 0;
  /** What the proxies do now, and from when on. */
  #inForce = { weight: 0, atMs: 0, from: 0 };
  /** Calls of the canary since its weight is in force everywhere, for checking what the controller says. */
  #callsOfStep = 0;

  constructor(seed: number, release: Release) {
    this.#random = createSeededRandom(seed);
    this.#release = release;
    this.#rate = release === 'uncalled' ? 0 : 40 + this.#random() * 160;
    this.#stableFailures = release === 'worse-than-stable' ? 0.0005 : this.#random() * 0.002;
    this.#crashAtMs = 10_000 + this.#random() * 60_000;
    this.#controller = this.#started();
  }

  run(): { readonly state: CanaryState; readonly restartsIn: readonly string[] } {
    const restartsIn: string[] = [];
    let after = 0;
    while (this.#clock.monotonicMs() < LONGEST_MS) {
      this.#clock.advance(TICK_MS);
      this.#call();
      const before = this.#state();
      this.#roundBeganMs = this.#clock.monotonicMs() - 50;
      const seen = { acknowledged: this.#acknowledged(), calls: this.#callsOfStep };
      this.#controller.tick();
      this.#check(before, seen);
      if (isOver(this.#state()) && ++after > 10) break;
      if (this.#random() < 0.03) {
        restartsIn.push(this.#state().phase);
        this.#controller = this.#started();
      }
    }
    return { state: this.#state(), restartsIn };
  }

  #started(): CanaryController {
    // What a heddled counted ends with it.
    this.#counts = none();
    const controller = new CanaryController({
      files: {
        readAll: () => new Map(this.#files),
        write: (key, state) => void this.#files.set(key, JSON.parse(JSON.stringify(state)) as CanaryState),
      },
      endpoints: () => ({
        stable: 1,
        canary: this.#isCrashed() || this.#clock.monotonicMs() < 3_000 ? 0 : 1,
      }),
      proxies: () => ({
        acknowledged: this.#acknowledged(),
        refused:
          this.#release === 'refused' && this.#weight() >= 25
            ? 'gateway: a weight that it does not like'
            : undefined,
      }),
      counts: () => ({
        canary: this.#counts.canary.slice(),
        stable: this.#counts.stable.slice(),
        lost: this.#counts.lost,
      }),
      countedSinceMs: () => this.#roundBeganMs,
      onWeights: () => this.#apply(),
      clock: this.#clock,
      log: silentLogger,
    });
    controller.setCanaries([CANARY]);
    this.#apply();
    return controller;
  }

  #state(): CanaryState {
    return this.#files.get(CANARY.key) as CanaryState;
  }

  #weight(): number {
    return weightIn(this.#state(), CANARY);
  }

  /** Proxies take new weights after a while. */
  #apply(): void {
    const weight = this.#weight();
    const isLate = this.#random() < 0.2;
    this.#inForce = {
      weight,
      from: this.#inForce.weight,
      atMs: this.#clock.monotonicMs() + this.#random() * (isLate ? 15_000 : 500),
    };
    this.#callsOfStep = 0;
  }

  #acknowledged(): boolean {
    if (this.#release === 'unacknowledged' && this.#weight() >= 25) return false;
    return this.#clock.monotonicMs() >= this.#inForce.atMs;
  }

  #isCrashed(): boolean {
    return this.#release === 'crashing' && this.#clock.monotonicMs() > this.#crashAtMs;
  }

  /** The calls of one second. */
  #call(): void {
    const isInForce = this.#acknowledged();
    const wanted = isInForce ? this.#inForce.weight : this.#inForce.from;
    const weight = this.#release === 'not-split' && wanted > 5 ? wanted / 3 : wanted;
    const calls = Math.round(this.#rate * (0.5 + this.#random()));
    for (let i = 0; i < calls; i++) {
      const isCanary = this.#random() * 100 < weight;
      if (isCanary && isInForce) this.#callsOfStep++;
      if (isCanary && this.#isCrashed() && this.#random() < 0.3) {
        this.#counts = { ...this.#counts, lost: this.#counts.lost + 1 };
        continue;
      }
      const counts = isCanary ? this.#counts.canary : this.#counts.stable;
      add(counts, COLUMN.requests);
      if (this.#random() < this.#failures(isCanary)) add(counts, COLUMN.failed);
      const ms = this.#durationMs(isCanary);
      const bucket = DURATION_BOUNDS_MS.findIndex((bound) => ms <= bound);
      add(counts, COLUMN.firstBucket + bucket);
    }
  }

  #failures(isCanary: boolean): number {
    if (!isCanary) return this.#stableFailures;
    if (this.#release === 'failing') return 0.2;
    if (this.#release === 'slightly-failing') return 0.035;
    if (this.#release === 'worse-than-stable') return 0.03;
    return this.#isCrashed() ? 0.5 : this.#stableFailures;
  }

  #durationMs(isCanary: boolean): number {
    const usual = 8 * Math.exp(0.7 * gaussian(this.#random));
    return isCanary && this.#release === 'slow' ? usual * 5 : usual;
  }

  /** The promises, looked at from outside: no step ends unacknowledged, or with fewer calls than it needs. */
  #check(before: CanaryState, seen: { readonly acknowledged: boolean; readonly calls: number }): void {
    const after = this.#state();
    if (after.phase !== 'promoted' && after.step === before.step) return;
    if (before.phase === 'promoted') return;
    assert.ok(seen.acknowledged, `step ${before.step + 1} ended before every proxy had its weight`);
    assert.ok(seen.calls >= CANARY.minRequests, `step ${before.step + 1} ended with ${seen.calls} calls`);
  }
}

function none(): CanaryCounts {
  return { canary: emptyCounts(), stable: emptyCounts(), lost: 0 };
}

function add(counts: Float64Array, column: number): void {
  counts[column] = (counts[column] as number) + 1;
}

function gaussian(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function canaryFrom(yaml: string): CanaryConfig {
  const { resources, problems } = parseMeshFile(yaml, 'canary.yaml');
  assert.deepEqual(problems, []);
  const [resource] = resources;
  assert.ok(resource !== undefined);
  return canaryOf(resource);
}
