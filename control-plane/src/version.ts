/** The version of this build; one for all packages. */
export const HEDDLE_VERSION = '0.1.0';
