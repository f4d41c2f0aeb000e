import { createLogger, systemClock } from '@heddle/common';
import { createFileSource, type MeshResource, type SourceProblem } from '@heddle/control-plane';

/** What folders of YAML hold, as heddled would read them. */
export interface FolderContent {
  readonly resources: ReadonlyMap<string, MeshResource>;
  readonly problems: readonly SourceProblem[];
}

/** Reads folders once. Errors: rejects where one cannot be read. */
export async function readFolders(folders: readonly string[]): Promise<FolderContent> {
  let content: FolderContent = { resources: new Map(), problems: [] };
  const source = createFileSource({
    folders,
    log: createLogger({ component: 'folders', level: 'error' }),
    clock: systemClock,
    onChange: ({ resources, problems }) => (content = { resources, problems }),
  });
  try {
    await source.ready;
  } finally {
    source.close();
  }
  return content;
}
