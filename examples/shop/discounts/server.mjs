// What a product costs less today: a service that joins the shop while it is open.
import { startService } from '../lib/service.mjs';

startService('discounts', async ({ path, call }) => {
  const id = /^\/discounts\/(\d{1,9})$/.exec(path)?.[1];
  if (id === undefined) return undefined;
  const { inStock } = await call('inventory', `/inventory/${id}`);
  return { percent: inStock > 20 ? 25 : 10 };
});
