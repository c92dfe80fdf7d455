"""How a song's streams go on after its first four weeks on the charts, without its sound.

    python examples/chart_curves.py CURVES.parquet [EPOCHS]      as `hitpredict fetch charts` writes it; 10 epochs

Trains the network of region and first weeks (`hitpredict.networks.curves`), once for songs that stay on the charts and
once so that leaving them counts, and compares it on held-out songs with persistence, mean curves and exponential decay.
Takes about 20 minutes on one core for the charts of 50 regions over two years.
"""

import sys

from hitpredict.networks.curve_training import evaluate_curves, read_curves, split, train_curves

OPTIONS = {
    "network, charted weeks": {"missing_weight": 0.0},
    "network, leaving counts": {"missing_weight": 1.0, "week_weighted": False},
}


def main() -> None:
    path, *rest = sys.argv[1:]
    epochs = int(rest[0]) if rest else 10
    table = read_curves(path)
    train, validation, test = split(table)
    networks = {name: train_curves(train, validation, epochs=epochs, **options) for name, options in OPTIONS.items()}
    for charted, title in ((True, "weeks on the charts"), (False, "all weeks, 0 off the charts")):
        print(f"{title}: error of log10 weekly streams on {len(test.song):,} held-out histories\n")
        print("| forecast | MAE | RMSE | MAE below persistence |\n|---|---|---|---|")
        for each in evaluate_curves(networks, train, test, charted=charted):
            cells = [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in (each.mae, each.rmse, each.better)]
            print(f"| {each.name} | {' | '.join(cells)} |")
        print()


if __name__ == "__main__":
    main()
