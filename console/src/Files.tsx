// The files: search by what names begin with, the listing, and what can be done with them.
import { useEffect, useRef } from "preact/hooks";
import { chosen as chosenFiles } from "./dropped";
import { Details, Question } from "./FileDialogs";
import { FileTable } from "./FileTable";
import { count, some } from "./format";
import { chosen, doomed, listing, opened, show } from "./listing";
import { status } from "./live";
import { add, stored } from "./queue";
import { go, route } from "./route";
import { Uploads } from "./Uploads";
import { Button, Empty, Icon, Wrong } from "./ui";
import { ownPrefix } from "./words";

/** How long typing has to pause before the service is asked. */
const PAUSE = 120;
/** A longer list is not read anew by itself. */
const SHORT = 1000;

export function Files() {
  const prefix = route.value.prefix;
  useEffect(() => {
    const wait = setTimeout(() => void show(prefix), listing.peek().files.length === 0 ? 0 : PAUSE);
    return () => clearTimeout(wait);
  }, [prefix]);
  const many = stored.value;
  useEffect(() => {
    if (many === 0 || listing.peek().files.length > SHORT) return;
    const wait = setTimeout(() => void show(route.peek().prefix), 600);
    return () => clearTimeout(wait);
  }, [many]);
  return (
    <>
      <h1 class="sr">Files</h1>
      <Tools prefix={prefix} />
      <Uploads />
      <section class="card list" aria-label="Files">
        <List />
      </section>
      {opened.value && <Details file={opened.value} />}
      {doomed.value.length > 0 && <Question files={doomed.value} />}
    </>
  );
}

function Tools({ prefix }: { prefix: string }) {
  return (
    <div class="tools">
      <div class="search">
        <Icon name="search" />
        <input
          id="search"
          type="search"
          maxLength={255}
          spellcheck={false}
          autocomplete="off"
          placeholder="Find files by the beginning of their names"
          aria-label="Find files by the beginning of their names"
          value={prefix}
          onInput={(event) => go("files", event.currentTarget.value, true)}
        />
      </div>
      <Selection />
      <Button
        icon="refresh"
        label="Refresh the list"
        onClick={() => void show(route.peek().prefix)}
      />
      <Pick folder />
      <Pick />
    </div>
  );
}

function Selection() {
  const files = chosen.value;
  if (files.size === 0) return null;
  return (
    <Button
      icon="trash"
      kind="danger"
      onClick={() => {
        doomed.value = [...files.values()];
      }}
    >
      Delete {count(files.size)}
    </Button>
  );
}

/** A button in front of a file dialog. */
function Pick({ folder = false }: { folder?: boolean }) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (input.current) input.current.webkitdirectory = folder;
  }, [folder]);
  const take = () => {
    const field = input.current;
    if (!field?.files) return;
    add(chosenFiles(field.files));
    field.value = "";
  };
  return (
    <>
      <input
        ref={input}
        id={folder ? "pick-folder" : "pick-files"}
        type="file"
        multiple
        hidden
        onChange={take}
      />
      {folder ? (
        <Button icon="folder" label="Upload a folder" onClick={() => input.current?.click()} />
      ) : (
        <Button icon="upload" kind="main" onClick={() => input.current?.click()}>
          Upload
        </Button>
      )}
    </>
  );
}

function List() {
  const { files, loading, error, next, prefix } = listing.value;
  const retry = () => void show(prefix);
  if (error !== undefined && files.length === 0) {
    const own = ownPrefix(error);
    if (own !== undefined && own !== prefix) {
      return (
        <Empty title="Your token opens some names alone">
          <p>
            Those that begin with <code>{own}</code>.
          </p>
          <Button kind="main" onClick={() => go("files", own)}>
            Show them
          </Button>
        </Empty>
      );
    }
    return <Wrong error={error} retry={retry} />;
  }
  if (files.length === 0 && loading) return <div class="skeleton rows" aria-busy="true" />;
  if (files.length === 0) return <None prefix={prefix} />;
  const all = prefix === "" ? status.value?.files : undefined;
  const shown =
    next === undefined
      ? some(files.length, "file")
      : all === undefined
        ? `the first ${count(files.length)} files`
        : `${count(files.length)} of ${some(Math.max(all, files.length), "file")}`;
  return (
    <>
      <p class="counted hint" role="status">
        {shown}
        {prefix !== "" && (
          <>
            {" "}
            beginning with <b>{prefix}</b>
          </>
        )}
      </p>
      <FileTable />
    </>
  );
}

function None({ prefix }: { prefix: string }) {
  if (prefix !== "") {
    return (
      <Empty title="No name begins with that">
        <p>
          Capital and small letters differ. A <code>%2F</code> in a name stands for the slash of a
          folder.
        </p>
        <Button onClick={() => go("files", "")}>Show all files</Button>
      </Empty>
    );
  }
  return (
    <Empty title="No files yet">
      <p>
        Drop files or folders anywhere on this page, or use <b>Upload</b>.
      </p>
    </Empty>
  );
}
