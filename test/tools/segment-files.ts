/** Finds a partition's files in a broker's data directory, whatever lies above the partition. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Directories below `root` named `<topic>-<partition>`, or with a tenant before the topic's name. */
export const partitionDirectories = (root: string, topic: string, partition: number): string[] => {
  const wanted = `${topic}-${partition}`;
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .filter((entry) => entry.name === wanted || entry.name.endsWith(`.${wanted}`))
    .map((entry) => join(entry.parentPath, entry.name));
};

/** The files of one partition that end in `ending` (such as '.log'), in offset order. */
export const segmentFiles = (
  root: string,
  topic: string,
  partition: number,
  ending: string,
): string[] => {
  const directories = partitionDirectories(root, topic, partition);
  const [directory] = directories;
  if (directory === undefined || directories.length > 1) {
    throw new Error(`${directories.length} directories for ${topic}-${partition} below ${root}`);
  }
  return readdirSync(directory)
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => join(directory, name));
};
