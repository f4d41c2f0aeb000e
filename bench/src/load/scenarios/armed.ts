import type { Scenario } from '../scenario.js';
import { http1 } from './http1.js';

/** As http1, with what bears failure armed: retries with a budget, outlier detection, breakers and a local rate limit. */
export const armed: Scenario = {
  name: 'armed',
  title:
    'HTTP/1.1 as in http1, with retries, retry budget, outlier detection, circuit breakers and a local rate limit armed',
  variants: http1.variants.map((variant) => ({
    ...variant,
    subjects: ['heddle-proxy', 'envoy'],
    armed: true,
  })),
};
