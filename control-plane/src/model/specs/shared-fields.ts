/* What several kinds have in common. What the schemas of `source/schema` let through: every field may be absent. */

export type Texts = Readonly<Record<string, string>>;

export interface StringMatchSpec {
  readonly exact?: string;
  readonly prefix?: string;
  readonly regex?: string;
}

export interface HeaderEditSpec {
  readonly set?: Texts;
  readonly add?: Texts;
  readonly remove?: readonly string[];
}

export interface HeaderEditsSpec {
  readonly request?: HeaderEditSpec;
  readonly response?: HeaderEditSpec;
}

export interface DestinationSpec {
  readonly host: string;
  readonly subset?: string;
  readonly port?: { readonly number: number };
}

export interface PercentSpec {
  readonly value: number;
}

/** The part of a security policy's spec that says whom it is for. */
export interface PolicyTargetSpec {
  readonly selector?: { readonly matchLabels?: Texts };
  readonly targetRefs?: readonly { readonly kind: string; readonly name: string }[];
}

export interface ModeSpec {
  readonly mode?: string;
}
