"""Whatever is typed wrongly is one line on stderr and exit code 2, or 3 where a target is missing; nothing else."""

import shlex

import pytest

from hil.cli import main

LINES = """
board faults host --inferences 0
board faults host --seed -1
board health host --echoes 0
board identify replay:text.txt
board identify ternary
board infer host --active 7
board infer host --features text.txt
board infer host --seed -1
board infer host --windows -1
board serve host --port 99999
board serve host --seconds -1
board serve ternary
compare digits --codec nope
compare digits --loss nan
compare digits --network cut.safetensors
compare digits --network text.txt
compare digits --option x
compare digits --out text.txt
compare digits --reference nope
compare digits --require foo=1
compare digits --require gate_agreement=nan
compare digits --target ''
compare digits --target array:emulated?preset=zzz
compare digits --target crossbar:ideal?tile=0
compare digits --target host?timeout_s=nan
compare digits --target packed?x=1
compare digits --target replay:nofile
compare digits --target rtl:verilator?lanes=many
compare digits --target tcp://127.0.0.1
compare digits --threshold 5
compare empty.bin
compare folder
evaluate digits folder
evaluate digits text.txt
evaluate nope digits
experiment array_programming --set size=0
experiment noise_as_feature --set dataset=a --set kept_events=[2.0]
experiment noise_as_feature --set dataset=a --set lengths=[0]
experiment noise_as_feature --set dataset=a --set windows=0
experiment device_noise --set seeds=[]
export digits --format c --out folder.h/a.h
export digits --format conductance-csv --out a.conductance.csv.zip --option on=inf
export digits --format conductance-csv --out a.conductance.csv.zip --option tile=99999999x99999998
export digits --format readmemh --out a.memh.zip --option lanes
list nope
power memristor_90nm --inferences-per-second nan
power memristor_90nm --payload-bytes inf
power memristor_90nm --plot a.xyz
power memristor_90nm --plot nofolder/a.png
power text.txt
verify nofile.safetensors
verify text.txt
""".strip().splitlines()


@pytest.fixture
def messy_folder(tmp_path, monkeypatch):
    (tmp_path / "text.txt").write_text("hello\n")
    (tmp_path / "empty.bin").write_bytes(b"")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x27\0\0\0\0\0\0{")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", LINES)
def test_wrong_line_is_one_sentence_and_writes_nothing(line, messy_folder, capsys):
    before = sorted(messy_folder.iterdir())
    with pytest.raises(SystemExit) as stopped:
        main(shlex.split(line))
    printed = capsys.readouterr()
    assert (stopped.value.code, printed.out) == (2, "")
    assert printed.err.startswith("hil: ")
    assert printed.err.count("\n") == 1
    assert sorted(messy_folder.iterdir()) == before


@pytest.mark.parametrize("target", ["tcp://127.0.0.1:1", "array:tcp://127.0.0.1:1", "serial:///dev/nope"])
def test_target_that_is_not_there_is_one_sentence_and_exit_code_3(target, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(
            ["board", "serve", target, "--seconds", "0"]
            if target.startswith("serial")
            else ["compare", "digits", "--target", target]
        )
    printed = capsys.readouterr()
    assert (stopped.value.code, printed.out, printed.err.count("\n")) == (3, "", 1)
