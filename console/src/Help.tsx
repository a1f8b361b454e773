// What the keys do.
import { shortcuts } from "./settings";
import { Dialog } from "./ui";

const KEYS: [string, string][] = [
  ["1 2 3", "Overview, files, problems"],
  ["/", "Find files"],
  ["u", "Upload"],
  ["?", "This help"],
  ["↑ ↓ Page Up Page Down Home End", "Move in the list of files"],
  ["Enter", "Details of the file"],
  ["Tab", "To the file's box, download and delete"],
  ["Delete", "Delete the chosen files, or else this one, after a question"],
  ["Esc", "Close a dialog"],
];

export function Help({ close }: { close: () => void }) {
  return (
    <Dialog title="Keyboard" close={close}>
      <dl class="keys">
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {(keys.includes("Page") ? keys.split(/ (?!Up|Down)/) : keys.split(" ")).map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input
          type="checkbox"
          checked={shortcuts.value}
          onChange={(event) => {
            shortcuts.value = event.currentTarget.checked;
          }}
        />
        Single keys are shortcuts
      </label>
    </Dialog>
  );
}
