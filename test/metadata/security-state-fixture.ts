/** A security state on a real state log in a temporary folder, gone when the test ends. */
import { systemClock } from '../../src/base/clock.ts';
import { nodeFileSystem } from '../../src/base/file-system.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import { type EmbeddedStateLog, openStateLog } from '../../src/engine/embedded/state-log.ts';
import { SECURITY_METADATA_LOG } from '../../src/metadata/metadata-log.ts';
import { SecurityState, type SecurityStateOptions } from '../../src/metadata/security-state.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';

export interface OpenedState {
  readonly state: SecurityState;
  readonly log: EmbeddedStateLog;
  readonly close: () => Promise<void>;
}

export class SecurityStateFixture {
  readonly #name: string;
  readonly #ends: (() => void | Promise<void>)[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  newDirectory(): string {
    const directory = temporaryDirectory(this.#name);
    this.#ends.push(() => removeDirectory(directory));
    return directory;
  }

  async open(
    options: Partial<SecurityStateOptions> = {},
    directory = this.newDirectory(),
  ): Promise<OpenedState> {
    const name = SECURITY_METADATA_LOG;
    const log = await openStateLog({ files: nodeFileSystem, clock: systemClock, directory, name });
    this.#ends.push(() => log.close().catch(() => {}));
    const parts = { clock: systemClock, random: systemRandom, logger: silentLogger };
    const state = await SecurityState.open({ log, ...parts, ...options });
    const close = async (): Promise<void> => {
      await state.close();
      await log.close();
    };
    return { state, log, close };
  }

  /** Call it after each test. */
  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }
}
