// Stars from one to five. What is posted is written to the log and forgotten.
import { startService } from '../lib/service.mjs';

const METHODS = ['GET', 'HEAD', 'POST'];

function rate({ method, path, headers }) {
  const id = /^\/ratings\/(\d{1,9})$/.exec(path)?.[1];
  if (id === undefined) return undefined;
  if (method === 'POST') {
    const posted = headers['x-rating'] ?? null;
    console.log(`rating posted: ${posted}`);
    return { posted };
  }
  return { stars: [(Number(id) % 5) + 1, (Number(id) % 3) + 3] };
}

startService('ratings', rate, METHODS);
