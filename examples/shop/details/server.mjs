// What a product is. The same service as server.py, for machines without Python.
import { startService } from '../lib/service.mjs';

const TITLES = ['Shuttle', 'Reed', 'Warp beam', 'Treadle', 'Bobbin'];

startService('details', async ({ path, call }) => {
  const id = /^\/details\/(\d{1,9})$/.exec(path)?.[1];
  if (id === undefined) return undefined;
  const stock = await call('inventory', `/inventory/${id}`);
  return { title: TITLES[Number(id) % TITLES.length], language: 'javascript', inStock: stock.inStock };
});
