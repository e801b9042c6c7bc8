/**
 * /v1/backups: begin a backup, list the whole ones (ALTER, DESCRIBE on the broker), look at one that is
 * under way. A backup has a name; where it goes says the configuration alone.
 */
import { type AdminRoute, broker, created, defineRoute, ok } from '../admin-route.ts';
import { AdminError } from '../problem.ts';
import { Grammars } from '../request-fields.ts';

const RATE_BYTES_MIN = 1024;

const list = defineRoute({
  method: 'GET',
  path: '/v1/backups',
  authorization: broker('DESCRIBE'),
  change: null,
  input: () => ({}),
  handle: async (_input, { deps }) =>
    ok({ directory: deps.backups.directory, backups: await deps.backups.list() }),
});

const create = defineRoute({
  method: 'POST',
  path: '/v1/backups',
  authorization: broker('ALTER'),
  change: 'backup-create',
  input: (fields) => ({
    name: fields.text('name', Grammars.backup),
    bytesPerSecond: fields.optionalInteger(
      'bytesPerSecond',
      RATE_BYTES_MIN,
      Number.MAX_SAFE_INTEGER,
    ),
    since: fields.optionalText('since', Grammars.backup),
  }),
  facts: ({ name, since }) => ({ name, since }),
  handle: async (wanted, { deps }) => created(await deps.backups.start(wanted)),
});

const describe = defineRoute({
  method: 'GET',
  path: '/v1/backups/:backup',
  authorization: broker('DESCRIBE'),
  change: null,
  input: (fields) => ({ backup: fields.text('backup', Grammars.backup) }),
  handle: ({ backup }, { deps }) => {
    const view = deps.backups.view(backup);
    if (view !== undefined) return ok(view);
    const detail = 'No backup of this name was taken since the broker started.';
    throw new AdminError(404, 'no-such-backup', detail);
  },
});

export const backupRoutes: readonly AdminRoute[] = [list, create, describe];
