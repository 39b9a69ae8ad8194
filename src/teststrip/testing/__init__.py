"""Contract suites: what every engine, metric, tracker and executor must do, as classes of tests that plug-ins run.

    engine_contract    EngineContract
    metric_contract    MetricContract
    tracker_contract   TrackerContract, and StudyTrackerContract for trackers that show a study elsewhere
    executor_contract  ExecutorContract
    canaries           secrets that are laid out, and what of them went out

A plug-in subclasses a suite in a file of its own tests and says what differs; pytest finds the tests by themselves.
The package must be installed (`pip install -e .`), because the suites look for it through its entry point. pytest is
needed for these modules alone, so it belongs to what the plug-in's tests need.

    import pytest
    from my_package.engine import MyEngine
    from teststrip.records import EngineRef
    from teststrip.testing.engine_contract import EngineContract

    class TestMyEngineKeepsTheContract(EngineContract):
        @pytest.fixture
        def engine(self):
            return MyEngine()

        @pytest.fixture
        def ref(self):
            return EngineRef("my-engine")

        @pytest.fixture
        def knobs(self):
            return {"width": 32, "height": 32}
"""
