/** Owns the keys of backups, and of what notices that an old one was put in place of the present. */
import { integer, optionalPath } from '../config-spec.ts';
import { GIB, KIB, MIB } from './units.ts';

export const BACKUP_KEYS = {
  'backup.dir': optionalPath({
    doc: "Folder in which backups are made, and nowhere else; empty means that none are taken. Whoever can read it can read everything, so it is the broker user's alone; best on another disk.",
  }),
  'backup.rate.max.bytes': integer({
    default: 64 * MIB,
    min: 64 * KIB,
    max: 64 * GIB,
    doc: 'Bytes that a backup copies in a second at most.',
  }),
  'backup.min.free.bytes': integer({
    default: 256 * MIB,
    min: 0,
    doc: 'What a backup leaves free on the disk of backup.dir: it fails rather than fill the disk.',
  }),
  'backup.signing.key': optionalPath({
    doc: 'Ed25519 private key (PEM) that signs the manifest of each backup; empty means that it is not signed.',
  }),
  'security.watermark.file': optionalPath({
    doc: 'File outside data.dir that says how far the security metadata has come. With it a start on an older copy of the data folder, which would undo revocations and deletions, is refused. Empty: not noticed.',
  }),
};
