// How many of a product are left.
import { startService } from '../lib/service.mjs';

startService('inventory', ({ path }) => {
  const id = /^\/inventory\/(\d{1,9})$/.exec(path)?.[1];
  return id === undefined ? undefined : { inStock: (Number(id) * 7) % 40 };
});
