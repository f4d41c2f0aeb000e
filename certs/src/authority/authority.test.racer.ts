// A process of authority.test.ts: opens the authority of a folder when told, and says which root it has.
import { createAuthority } from './authority.js';

const folder = process.argv[2] as string;
process.once('message', () => {
  const { bundle } = createAuthority({ folder, trustDomain: 'td' });
  process.send?.(bundle.pems.join(''));
  process.disconnect();
});
process.send?.('ready');
