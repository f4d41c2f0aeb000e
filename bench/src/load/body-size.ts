/** The sizes of response body that a backend serves: the last segment of a path names one. Units: bytes. */
export const BODY_SIZES = { '1k': 1_024, '64k': 65_536, '1m': 1_048_576 } as const;

export type BodySize = keyof typeof BODY_SIZES;
