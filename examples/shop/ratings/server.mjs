// Stars from one to five.
import { startService } from '../lib/service.mjs';

startService('ratings', ({ path }) => {
  const id = /^\/ratings\/(\d{1,9})$/.exec(path)?.[1];
  if (id === undefined) return undefined;
  return { stars: [(Number(id) % 5) + 1, (Number(id) % 3) + 3] };
});
