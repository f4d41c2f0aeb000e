const QUANTITY = /^(\d{1,18}(?:\.\d{0,9})?|\.\d{1,9})(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d{1,2}|)$/;
const FACTORS: Readonly<Record<string, number>> = {
  '': 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * The value of a Kubernetes quantity that is not negative: `100m`, `1.5`, `128Mi`, `1e3`.
 * Shape: undefined where the text is none. Units: cores or bytes.
 */
export function parseQuantity(text: string): number | undefined {
  const match = QUANTITY.exec(text);
  if (match === null) return undefined;
  const [, digits = '', suffix = ''] = match;
  const factor =
    /^[eE]./.test(suffix) && FACTORS[suffix] === undefined ? Number(`1${suffix}`) : FACTORS[suffix];
  return factor === undefined ? undefined : Number(digits) * factor;
}
