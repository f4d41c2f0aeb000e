import os from 'node:os';
import path from 'node:path';

/**
 * Finds places of one machine in a text: home folders, and the folder of this checkout.
 *
 * Shape: `line: what was found`, for every line with one. The text of a home folder that nobody owns (`/home/user`,
 * `/home/you`) is taken for an example.
 */
export function machinePathsIn(text: string, root: string): readonly string[] {
  const own = [root, os.homedir()].filter((folder) => folder.split(path.sep).length > 2);
  return text.split('\n').flatMap((line, index) => {
    const known = own.find((folder) => line.includes(`${folder}/`) || line.endsWith(folder));
    const home = /(?<![\w.:/-])(?:\/home|\/Users|\/root)\/(?!(?:user|you)\b)[\w.-]+\/|\b[A-Z]:\\Users\\/.exec(
      line,
    );
    const found = known ?? home?.[0];
    return found === undefined ? [] : [`${index + 1}: ${found}`];
  });
}

/** Packages whose lock entry says where on the network it was downloaded, which need not be reachable elsewhere. */
export function downloadAddressesIn(lockFile: string): readonly string[] {
  const { packages } = JSON.parse(lockFile) as { packages: Record<string, { resolved?: string }> };
  return Object.entries(packages)
    .filter(([, { resolved }]) => resolved !== undefined && /^[a-z+]+:\/\//i.test(resolved))
    .map(([name]) => name);
}
