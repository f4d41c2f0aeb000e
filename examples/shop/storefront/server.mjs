// The shop's entry. A page needs details and reviews; discounts are shown where there are any.
import { CallError, knows, startService } from '../lib/service.mjs';

startService('storefront', async ({ path, headers, call }) => {
  const product = /^\/(?:products(?:\/(\d{1,9}))?)?$/.exec(path);
  if (product === null) return undefined;
  const id = product[1] ?? '1';
  const parts = [call('details', `/details/${id}`), call('reviews', `/reviews/${id}`)];
  const [details, reviews] = await settled(parts);
  const page = { user: headers['end-user'] ?? null, product: { id: Number(id), title: details.title } };
  page.inStock = details.inStock;
  page.reviews = reviews.reviews;
  if (knows('discounts')) page.discount = await optional(call('discounts', `/discounts/${id}`));
  return page;
});

// Waits for all, so that the chain of calls in an answer is complete, then reports the first failure.
async function settled(parts) {
  const results = await Promise.allSettled(parts);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return results.map((result) => result.value);
}

async function optional(call) {
  try {
    return (await call).percent;
  } catch (error) {
    if (error instanceof CallError) return null;
    throw error;
  }
}
