import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'

/**
 * The servers that this package is tested on.
 *
 * @type {Record<string, { command: string, package: string, major: number }>}
 */
export const SERVERS = {
  'redis-7': { command: 'redis-server', package: 'redis-server', major: 7 },
  'redis-8': { command: 'redis-server', package: 'redis-server', major: 8 },
  'valkey-8': { command: 'valkey-server', package: 'valkey-server', major: 8 },
}

const DEBIAN_RELEASES = ['bookworm', 'trixie']

/**
 * The path of that server: from PATH if its version is right, else from a package of a Debian release, unpacked with its own C library into
 * .cache/servers, so that nothing is installed. Needs apt-get and dpkg for that, and no root.
 *
 * @param {string} name of {@link SERVERS}
 * @returns {string | undefined} nothing when it cannot be had here
 */
export function provideServer(name) {
  const wanted = SERVERS[name]
  if (!wanted) throw new RangeError(`Unknown server ${name}: use one of ${Object.keys(SERVERS).join(', ')}`)
  const { command, major } = wanted
  const onPath = (process.env.PATH ?? '')
    .split(delimiter)
    .map((place) => join(place, command))
    .find((path) => existsSync(path) && majorOf(path) === major)
  if (onPath) return onPath
  for (const release of DEBIAN_RELEASES) {
    const unpacked = unpack(release, wanted)
    if (unpacked && majorOf(unpacked) === major) return unpacked
  }
  return undefined
}

/**
 * @param {string} release
 * @param {{ command: string, package: string }} wanted
 */
function unpack(release, wanted) {
  const folder = resolve('.cache/servers', `${release}-${wanted.package}`)
  const wrapper = join(folder, wanted.command)
  if (existsSync(wrapper)) return wrapper
  const mirror = debianMirror()
  if (mirror === undefined) return undefined
  for (const name of ['lists/partial', 'cache/archives/partial', 'root']) {
    mkdirSync(join(folder, name), { recursive: true })
  }
  // An empty list of installed packages has the C library and all others come along.
  writeFileSync(join(folder, 'status'), '')
  writeFileSync(join(folder, 'sources.list'), `deb [signed-by=${mirror.keyring}] ${mirror.address} ${release} main\n`)
  const options = {
    'Dir::Etc::SourceList': join(folder, 'sources.list'),
    'Dir::Etc::SourceParts': '-',
    'Dir::State::Lists': join(folder, 'lists'),
    'Dir::State::Status': join(folder, 'status'),
    'Dir::Cache': join(folder, 'cache'),
    'Debug::NoLocking': '1',
    'APT::Sandbox::User': '',
    'APT::Install-Recommends': '0',
  }
  const apt = Object.entries(options).flatMap(([option, value]) => ['-o', `${option}=${value}`])
  if (!run('apt-get', [...apt, '-qq', 'update'])) return undefined
  if (!run('apt-get', [...apt, '-qq', '-y', '--download-only', 'install', wanted.package])) return undefined
  const archives = join(folder, 'cache/archives')
  for (const file of readdirSync(archives).filter((file) => file.endsWith('.deb'))) {
    if (!run('dpkg-deb', ['--extract', join(archives, file), join(folder, 'root')])) return undefined
  }
  const loader = ['usr/lib64', 'lib64', 'usr/lib', 'lib']
    .flatMap((place) => files(join(folder, 'root', place)))
    .find((path) => /\/ld-linux-[^/]+\.so\.\d$/.test(path))
  const libraries = ['usr/lib', 'lib'].flatMap((place) =>
    files(join(folder, 'root', place)).filter((path) => path.endsWith('-linux-gnu')),
  )
  if (loader === undefined) return undefined
  const start = `exec ${loader} --library-path ${libraries.join(':')} --argv0 ${wanted.command}`
  writeFileSync(wrapper, `#!/bin/sh\n${start} ${join(folder, 'root/usr/bin', wanted.command)} "$@"\n`)
  chmodSync(wrapper, 0o755)
  return wrapper
}

/** Where this machine takes its Debian packages from, and the keys that it trusts for them. */
function debianMirror() {
  const places = ['/etc/apt/sources.list', ...files('/etc/apt/sources.list.d')].filter((path) => existsSync(path))
  const address = places
    .flatMap((path) => readFileSync(path, 'utf8').match(/^[^#\n]*?https?:\/\/\S+\/debian\/?(?=\s|$)/gm) ?? [])
    .map((line) => line.replace(/^.*?(?=https?:)/, ''))[0]
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
  return address === undefined || !existsSync(keyring) ? undefined : { address, keyring }
}

/** @param {string} folder */
function files(folder) {
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []
}

/** @param {string} binary */
function majorOf(binary) {
  const { stdout } = spawnSync(binary, ['--version'], { encoding: 'utf8' })
  return Number(/ v=(\d+)\./.exec(stdout ?? '')?.[1])
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 */
function run(command, args) {
  return spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'], timeout: 300_000 }).status === 0
}
