// What buyers say. v1 has no ratings; v2 shows them as black stars, v3 as red ones.
import { startService } from '../lib/service.mjs';

const COLOURS = { v2: 'black', v3: 'red' };
const colour = COLOURS[process.env.SERVICE_VERSION ?? 'v1'];

startService('reviews', async ({ path, call }) => {
  const id = /^\/reviews\/(\d{1,9})$/.exec(path)?.[1];
  if (id === undefined) return undefined;
  const reviews = [
    { reviewer: 'Ada', text: 'Threads run through it without a snag.' },
    { reviewer: 'Joseph', text: 'I changed the pattern and kept weaving.' },
  ];
  if (colour !== undefined) {
    const { stars } = await call('ratings', `/ratings/${id}`);
    for (const [i, review] of reviews.entries()) review.rating = { stars: stars[i], colour };
  }
  return { reviews };
});
