// Runs the collection against a system that is there: the one that VERITRAIL_SERVER and
// CREDENTIALS_FILE name, or that `make cluster` or `make up` runs in this folder. Where there is none,
// it builds and starts one for the run. The operator's password never stands among the arguments of a process.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import newman from 'newman';

const here = name => fileURLToPath(new URL(name, import.meta.url));
const root = name => here(`../${name}`);

/** The text of a file; undefined where there is none. */
function text(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

async function isReady(server) {
  try {
    return (await fetch(`${server}/readyz`)).ok;
  } catch {
    return false;
  }
}

/** Address and credentials of a system that answers. */
async function found() {
  const { VERITRAIL_SERVER: server, CREDENTIALS_FILE: file } = process.env;
  if (server) return { server, credentials: text(file ?? root('.veritrail/credentials.json')) };
  const places = [
    { server: 'http://127.0.0.1:8080', credentials: text(root('.cluster/credentials.json')) },
    { server: text(root('.veritrail/address'))?.trim(), credentials: text(root('.veritrail/credentials.json')) },
  ];
  for (const place of places) {
    if (place.server && place.credentials && (await isReady(place.server))) return place;
  }
  return undefined;
}

/** Exit code of a command that is run here; what it prints is printed. */
function ended(program, ...given) {
  return new Promise((resolve, reject) => {
    const command = spawn(program, given, { cwd: root('.'), stdio: 'inherit' });
    command.on('error', reject);
    command.on('exit', code => resolve(code ?? 1));
  });
}

/** This program again, inside of a system that is started for it; the exit code. */
async function startOne() {
  // Built as for the tests: what they built is used.
  const built = (await ended(root('.ci/need'), 'cargo', 'cc')) || (await ended('cargo', 'build', '--workspace', '--all-targets'));
  if (built !== 0) return built;
  const programs = root('target/debug');
  const cluster = [`${programs}/cluster`, '--listen', '127.0.0.1:0', '--folder', root('.cluster-postman')];
  const again = [process.execPath, fileURLToPath(import.meta.url)];
  return ended(`${programs}/servers`, ...cluster, ...process.argv.slice(2), ...again);
}

function run({ server, credentials }) {
  const { operator } = JSON.parse(credentials);
  const value = (key, value) => ({ key, value });
  const options = {
    collection: here('veritrail.postman_collection.json'),
    environment: here('local.postman_environment.json'),
    envVar: [
      value('base_url', server),
      value('operator_username', operator.username),
      value('operator_password', operator.password),
    ],
    reporters: 'cli',
    reporter: { cli: { noBanner: true, noSuccessAssertions: true } },
    timeoutRequest: 30_000,
  };
  newman.run(options, (error, summary) => {
    if (error) console.error(error);
    process.exitCode = error || summary.run.failures.length > 0 ? 1 : 0;
  });
}

const system = await found();
if (system) run(system);
else process.exitCode = await startOne();
