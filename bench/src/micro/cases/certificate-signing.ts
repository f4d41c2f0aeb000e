import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority } from '@heddle/certs/authority';
import { createCertificateRequest, generateWorkloadKeyPair } from '@heddle/certs/workload';
import { requireSpiffeId } from '@heddle/certs';
import type { MicroCase } from '../micro-case.js';

/** What one certificate costs the authority: the request checked, the identity put in, the leaf signed. */
export const certificateSigning: readonly MicroCase[] = [
  {
    name: 'certificate authority: one CSR signed',
    create() {
      const folder = mkdtempSync(join(tmpdir(), 'heddle-bench-ca-'));
      const authority = createAuthority({ folder, trustDomain: 'bench.local' });
      // Everything it needs is in memory by now.
      rmSync(folder, { recursive: true });
      const identity = requireSpiffeId('spiffe://bench.local/ns/default/sa/web');
      const csr = createCertificateRequest(generateWorkloadKeyPair(), identity);
      return (count) => {
        let length = 0;
        for (let i = 0; i < count; i++) length += authority.sign(csr, identity).chainPem.length;
        return length;
      };
    },
  },
];
