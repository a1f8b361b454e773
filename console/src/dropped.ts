// Files that were dropped or chosen, with the names that they get. Names have no slash: a
// file of a folder is called as `dfs put -r` calls it.

interface Named {
  name: string;
  file: File;
}

/** The name of a file within folders: `photos%2Fa.jpg`, and `%25` for a `%`. */
function nameIn(parts: string[]): string {
  return parts.map((part) => part.replaceAll("%", "%25")).join("%2F");
}

/** What a file dialog gave. */
export function chosen(files: FileList): Named[] {
  return Array.from(files, (file) => {
    const path = file.webkitRelativePath;
    return { name: path === "" ? file.name : nameIn(path.split("/")), file };
  });
}

interface Dropped {
  files: Named[];
  /** Why files and folders could not be read, one for each. */
  unread: unknown[];
}

/** What was dropped, folders walked. The entries have to be taken before anything is awaited. */
export async function dropped(transfer: DataTransfer): Promise<Dropped> {
  const items = Array.from(transfer.items, (item) => ({
    entry: item.webkitGetAsEntry(),
    file: item.getAsFile(),
  }));
  const found: Dropped = { files: [], unread: [] };
  for (const { entry, file } of items) {
    if (entry !== null) await walk(entry, [], found);
    else if (file !== null) found.files.push({ name: file.name, file });
  }
  return found;
}

/** One that can't be read leaves the others. */
async function walk(entry: FileSystemEntry, above: string[], found: Dropped): Promise<void> {
  try {
    await read(entry, above, found);
  } catch (error) {
    found.unread.push(error);
  }
}

async function read(entry: FileSystemEntry, above: string[], found: Dropped): Promise<void> {
  if (entry.isFile) {
    const file = await new Promise<File>((done, failed) =>
      (entry as FileSystemFileEntry).file(done, failed),
    );
    const name = above.length === 0 ? file.name : nameIn([...above, file.name]);
    found.files.push({ name, file });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  // Each call gives a part of the folder, and none at its end.
  while (true) {
    const some = await new Promise<FileSystemEntry[]>((done, failed) =>
      reader.readEntries(done, failed),
    );
    if (some.length === 0) return;
    for (const each of some) await walk(each, [...above, entry.name], found);
  }
}
