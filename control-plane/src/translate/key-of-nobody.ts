/**
 * A key set whose one key verifies nothing, because nobody can have the private half: its point was not computed from one, but is
 * the first of P-256 whose x is SHA-256 of `heddle has no keys of this issuer` followed by a number. (The test computes it again.)
 *
 * It stands where Istio once had a key whose private half was known (CVE-2026-31837).
 */
export const keyOfNobody = JSON.stringify({
  keys: [
    {
      kty: 'EC',
      crv: 'P-256',
      alg: 'ES256',
      kid: 'heddle-has-no-keys-of-this-issuer',
      x: 'TQQUHv6b2USNAlAKqBBGkwoC2hu0_ABsa7-V-ViUugM',
      y: 'kIaFSRq966t_g_pKu27mow5pB4zyR8y-7cDKmW3FzLY',
    },
  ],
});
