/**
 * /v1/backups: begin a backup, list the whole ones (ALTER, DESCRIBE on the broker), look at one that is
 * under way. A backup has a name; where it goes says the configuration alone.
 */
import { type AdminRoute, broker, created, defineRoute, ok } from '../admin-route.ts';
import {
  anyInteger,
  anyText,
  integer,
  list,
  nullable,
  object,
  oneOf,
  text,
  timeMs,
} from '../json-shape.ts';
import { NEXT, pageOf, pageQuery } from '../listing-page.ts';
import { AdminError } from '../problem.ts';
import { from, Grammars, optional } from '../request-fields.ts';

const RATE_BYTES_MIN = 1024;

const BACKUP = object({
  name: anyText,
  state: oneOf('running', 'complete', 'failed'),
  startedAtMs: timeMs,
  finishedAtMs: nullable(timeMs),
  parts: anyInteger,
  files: anyInteger,
  bytes: anyInteger,
  skipped: list(anyText),
  sha256: nullable(anyText),
  failure: nullable(anyText),
});

const listed = defineRoute({
  method: 'GET',
  path: '/v1/backups',
  id: 'listBackups',
  tag: 'backup',
  summary: 'The whole backups in the folder that the configuration names',
  authorization: broker('DESCRIBE'),
  change: null,
  input: from({ query: pageQuery }),
  answers: {
    200: object({ directory: nullable(anyText), backups: list(anyText), next: NEXT }),
  },
  handle: async (page, { deps }) => {
    const { directory } = deps.backups;
    const all = await deps.backups.list();
    const { items, next } = await pageOf('backups', all, (name) => name, page, deps.clock);
    return ok({ directory, backups: items, next });
  },
});

const create = defineRoute({
  method: 'POST',
  path: '/v1/backups',
  id: 'createBackup',
  tag: 'backup',
  summary: 'Begin a backup while everything runs on',
  authorization: broker('ALTER'),
  change: 'backup-create',
  input: from({
    body: {
      name: text(Grammars.backup),
      bytesPerSecond: optional(integer(RATE_BYTES_MIN, Number.MAX_SAFE_INTEGER)),
      since: optional(text(Grammars.backup)),
    },
  }),
  answers: { 201: BACKUP },
  facts: ({ name, since }) => ({ name, since }),
  handle: async (wanted, { deps }) => created(await deps.backups.start(wanted)),
});

const describe = defineRoute({
  method: 'GET',
  path: '/v1/backups/:backup',
  id: 'describeBackup',
  tag: 'backup',
  summary: 'A backup under way, or the last one since the start',
  authorization: broker('DESCRIBE'),
  change: null,
  input: from({ path: { backup: text(Grammars.backup) } }),
  answers: { 200: BACKUP },
  handle: ({ backup }, { deps }) => {
    const view = deps.backups.view(backup);
    if (view !== undefined) return ok(view);
    const detail = 'No backup of this name was taken since the broker started.';
    throw new AdminError(404, 'no-such-backup', detail);
  },
});

export const backupRoutes: readonly AdminRoute[] = [listed, create, describe];
